/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exchange_scenes: real exchanges, with the scene as the only module.
 *
 * A client connects to a listener of a thread that stands still (still_threads.h); its request goes through
 * all phases to an origin of ours and back. In each phase the module's hook runs; in the one that the scene
 * names it calls the scene's probe with the exchange, which does there what modules do. To be linked with
 * STILL_THREADS.
 */
#ifndef WEIR_TESTS_EXCHANGE_SCENES_H
#define WEIR_TESTS_EXCHANGE_SCENES_H

#include "core_scenes.h"
#include "server/exchange.h"
#include "server/listener.h"
#include "still_threads.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

struct scene_state {
	unsigned seen;
};

static struct sockets scene_sockets;
static struct generation *scene_generation;
static struct thread *scene_thread;
static int origin, origin_client, client;	/* our sockets; -1: none */
static char answer[64 * 1024];			/* what the client has got */
static char received[64 * 1024];		/* what the origin has got */
static const char *origin_says;

static enum weir_phase probe_phase;
static void (*probe)(struct weir_exchange *);
static enum weir_verdict probe_verdict;		/* what the hook returns after the probe */
static unsigned probed;

static const struct weir_metric scene_metrics[] = {
	{ "one_total", false, "One." }, { "two", true, "Two." }, { NULL, false, NULL }
};
static const struct weir_module scene_contract = { .name = "scene", .metrics = scene_metrics,
	.thread_size = sizeof(struct scene_state), .connection_size = sizeof(struct scene_state),
	.generation_size = sizeof(struct scene_state), .request_size = sizeof(struct scene_state) };
static struct module scene_module = { .contract = &scene_contract, .name = "scene", .metrics = 2,
	.first_metric = 5 };
static struct module *scene_modules[] = { &scene_module };
static struct scene_state scene_generation_state;
static void *scene_generation_states[] = { &scene_generation_state };
static const void *scene_settings[] = { "settings" };
static const uint32_t scene_request_states[] = { 0 };
static struct hook scene_hooks[WEIR_PHASES];

static inline enum weir_verdict
scene_hook(struct weir_exchange *x, const void *settings, void *state)
{
	assert_string_equal(settings, "settings");
	((struct scene_state *)state)->seen++;
	if (x->phase == WEIR_PHASE_ROUTE)
		weir_choose_route(x, scene_generation->routes[0]);
	if (probe == NULL || x->phase != probe_phase)
		return WEIR_NEXT;
	probed++;
	probe(x);
	return probe_verdict;
}

/* The scene's hook in every phase that has a weir_hook. */
static struct chain scene_chain;		/* of the route */

static inline void
chain_scene(struct chain *chain)
{
	unsigned count = 0;

	for (int phase = 0; phase < WEIR_PHASES; phase++) {
		chain->first[phase] = (uint16_t)count;
		if (phase <= WEIR_PHASE_HANDSHAKE || phase == WEIR_PHASE_REQUEST_BODY
				|| phase == WEIR_PHASE_RESPONSE_BODY)
			continue;
		scene_hooks[count++] = (struct hook){ .call = scene_hook, .module = &scene_module,
			.settings = "settings" };
	}
	chain->first[WEIR_PHASES] = (uint16_t)count;
	chain->hooks = scene_hooks;
}

static inline void
join_module(struct generation *g)
{
	g->modules = scene_modules;
	g->module_count = 1;
	g->module_states = scene_generation_states;
	g->module_settings = scene_settings;
	g->request_size = sizeof(struct scene_state);
	g->request_states = scene_request_states;
	g->listens[0].module_settings = scene_settings;
	g->routes[0]->module_settings = scene_settings;
	g->upstreams[0]->module_settings = scene_settings;
	chain_scene(&g->listens[0].chain);
	chain_scene(&scene_chain);
	g->routes[0]->chain = &scene_chain;
}

static inline uint16_t
listen_as_origin(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);

	origin = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(origin, (struct sockaddr *)&address, length), 0);
	assert_int_equal(listen(origin, 5), 0);
	assert_int_equal(getsockname(origin, (struct sockaddr *)&address, &length), 0);
	return ntohs(address.sin_port);
}

static inline int
begin_exchanges(void **state)
{
	int result = begin_core(state);
	char ini[512];

	threads_up(1);
	scene_thread = &still.list[0];
	snprintf(ini, sizeof(ini),
		"[listen web]\naddress = 127.0.0.1:0\n[upstream api]\nserver = 127.0.0.1:%u\n"
		"[route all]\nupstream = api\n", listen_as_origin());
	scene_generation = generation_of(ini, 1);
	join_module(scene_generation);
	scene_sockets = (struct sockets){ .threads = 1 };
	assert_true(sockets_open(&scene_sockets, scene_generation, &scene_report));
	assert_true(threads_publish(&still, scene_generation, &scene_sockets));
	turn();
	origin_client = client = -1;
	origin_says = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Origin: yes\r\n\r\nhi";
	probe = NULL;
	probe_verdict = WEIR_NEXT;
	probed = 0;
	return result;
}

static inline void
close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static inline int
end_exchanges(void **state)
{
	close_one(&client);
	close_one(&origin_client);
	close_one(&origin);
	UNTIL(scene_thread->client_count == 0);
	stop_threads();
	sockets_close(&scene_sockets);
	assert_nothing_open();
	scene_generation->module_count = 0;	/* the loader knows nothing of ours */
	generation_free(&scene_generation);
	return end_core(state);
}

/* The origin answers each head. */
static inline void
serve_origin(void)
{
	size_t length = strlen(received);
	ssize_t got;

	if (origin_client < 0)
		origin_client = accept4(origin, NULL, NULL, SOCK_NONBLOCK);
	if (origin_client < 0)
		return;
	got = recv(origin_client, received + length, sizeof(received) - length - 1, 0);
	if (got == 0)
		close_one(&origin_client);
	if (got <= 0)
		return;
	received[length + (size_t)got] = '\0';
	if (strstr(received, "\r\n\r\n") != NULL)
		send(origin_client, origin_says, strlen(origin_says), MSG_NOSIGNAL);
}

/* Is the answer whole: head and Content-Length, or closed? */
static inline bool
is_answered(void)
{
	size_t length = strlen(answer);
	ssize_t got = recv(client, answer + length, sizeof(answer) - length - 1, MSG_DONTWAIT);
	const char *end, *field;

	serve_origin();
	if (got == 0)
		return true;
	if (got > 0)
		answer[length + (size_t)got] = '\0';
	end = strstr(answer, "\r\n\r\n");
	field = strstr(answer, "Content-Length: ");
	return end != NULL && field != NULL && strlen(end + 4) >= strtoul(field + 16, NULL, 10);
}

/* Send a request on a connection of its own; the status of the answer. */
static inline int
ask(const char *request)
{
	int listener = scene_sockets.first->sockets[0];
	struct sockaddr_in address;
	socklen_t length = sizeof(address);

	close_one(&client);
	answer[0] = received[0] = '\0';
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
	client = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(client, (struct sockaddr *)&address, length), 0);
	assert_int_equal(send(client, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
	UNTIL(is_answered());
	assert_memory_equal(answer, "HTTP/1.1 ", 9);
	return atoi(answer + 9);
}

#define GET "GET /path?query HTTP/1.1\r\nHost: Example.COM:8080\r\nX-A: 1\r\nX-B: 2\r\nx-a: 3\r\n\r\n"

/* Ask, with this probe called in this phase, as often as the phase comes. */
static inline int
ask_with(enum weir_phase phase, void (*what)(struct weir_exchange *))
{
	int status;

	probe_phase = phase;
	probe = what;
	probed = 0;
	status = ask(GET);
	assert_true(probed > 0);
	return status;
}

#undef SCENE
#define SCENE(name) cmocka_unit_test_setup_teardown(name, begin_exchanges, end_exchanges)

#endif

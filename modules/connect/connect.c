/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connect: Weir as a forward proxy: tunnels by CONNECT, and requests in absolute-form.
 *
 * Nobody gets anywhere that `allow` does not name, nor to an address outside of `networks`, which is asked of every address
 * that a name leads to. The guard decides in access, so that what it refuses is never looked up; the peer is named in the
 * phase peer.
 */
#include "allow.h"
#include "users.h"

#include <stdatomic.h>
#include <string.h>
#include <weir/thread.h>

struct settings {
	struct weir_list allow;		/* struct connect_patterns */
	struct weir_list networks;	/* struct connect_network */
	struct weir_list ports, http_ports;	/* struct connect_ports */
	struct weir_list user;		/* struct connect_user */
	const char *users, *realm;
	int64_t tunnels, tunnels_per_client, idle, total, connect_timeout;
	uint64_t bytes;
	int sni;

	struct connect_user *listed;	/* of the file `users` */
	size_t listed_count;
};

struct state {
	struct connect_target *target;	/* NULL: the request is not ours */
	const char *user;
	_Atomic uint32_t *counted;	/* the client's tunnels, this one among them; NULL: it is none */
};

enum { ANY, MATCH };
enum { TUNNELS, OPEN, REQUESTS, REFUSED, UNAUTHORISED, LIMITED };
enum { CLIENTS = 1 << 14 };

/* Of the whole process: tunnels in all, and by a hash of the client's address that nobody can tell from outside. */
static _Atomic int64_t tunnels_open;
static _Atomic uint32_t tunnels_of[CLIENTS];
static _Atomic uint64_t tunnels_seed;

static const char *const names_of_sni[] = { "any", "match", NULL };
#define DAY (24 * 3600 * 1000)
#define AT(member) offsetof(struct settings, member)

static const struct weir_option options[] = {
	{ "allow", WEIR_CUSTOM, AT(allow), .repeat = true, .size = sizeof(struct connect_patterns),
	  .parse = connect_parse_patterns,
	  .doc = "Targets that may be asked for, separated by blanks: NAME, *.NAME, an IP address or *, each with :PORT if "
	  "need be. Without any, nothing is proxied." },
	{ "networks", WEIR_CUSTOM, AT(networks), .repeat = true, .size = sizeof(struct connect_network),
	  .parse = connect_parse_network, .initial = "public",
	  .doc = "Where a target's addresses may lie: public (the Internet: no private, loopback, link-local or other special "
	  "range), 10.0.0.0/8, 2001:db8::/32 or all." },
	{ "ports", WEIR_CUSTOM, AT(ports), .repeat = true, .size = sizeof(struct connect_ports), .parse = connect_parse_ports,
	  .initial = "443", .doc = "Ports of tunnels to targets that `allow` names without one." },
	{ "http_ports", WEIR_CUSTOM, AT(http_ports), .repeat = true, .size = sizeof(struct connect_ports),
	  .parse = connect_parse_ports, .initial = "80", .doc = "The same for requests in absolute-form." },
	{ "user", WEIR_CUSTOM, AT(user), .repeat = true, .secret = true, .size = sizeof(struct connect_user),
	  .parse = connect_parse_user, .doc = "NAME:PASSWORD of one who may use the proxy (Basic); with any, nobody else may." },
	{ "users", WEIR_PATH, AT(users), .doc = "A file of such lines; read anew at each reload." },
	{ "realm", WEIR_TEXT, AT(realm), .initial = "Weir", .doc = "What a client is told that it must log in to." },
	{ "tunnels", WEIR_INTEGER, AT(tunnels), .initial = "8192", .doc = "Bound of the tunnels open at once; 0 for none." },
	{ "tunnels_per_client", WEIR_INTEGER, AT(tunnels_per_client), .initial = "256",
	  .doc = "The same for one address (IPv6: a /64)." },
	{ "bytes", WEIR_SIZE, AT(bytes), .initial = "0", .doc = "Bytes that a tunnel may move, both ways together; 0 for no "
	  "bound." },
	{ "idle", WEIR_DURATION, AT(idle), .initial = "5m", .max = DAY,
	  .doc = "How long a tunnel may be silent both ways; 0: the route's tunnel_timeout." },
	{ "total", WEIR_DURATION, AT(total), .initial = "0", .max = 30 * (int64_t)DAY,
	  .doc = "How long a tunnel may last; 0 for no bound." },
	{ "connect_timeout", WEIR_DURATION, AT(connect_timeout), .initial = "10s", .min = 1, .max = DAY,
	  .doc = "How long looking up and connecting may take." },
	{ "sni", WEIR_CHOICE, AT(sni), .choices = names_of_sni, .initial = "any",
	  .doc = "match: a tunnel is cut unless it begins with TLS whose SNI is the target's name (none, for an IP address)." },
	{ .name = NULL }
};

static const struct weir_metric metrics[] = {
	[TUNNELS] = { "tunnels_total", false, "Tunnels that were admitted." },
	[OPEN] = { "tunnels", true, "Those of them that are being made or open." },
	[REQUESTS] = { "requests_total", false, "Requests in absolute-form that were admitted." },
	[REFUSED] = { "refused_total", false, "Targets that are not allowed." },
	[UNAUTHORISED] = { "unauthorised_total", false, "Requests without good credentials, answered 407." },
	[LIMITED] = { "limited_total", false, "Tunnels refused because there were as many as there may be." },
	{ .name = NULL }
};

static const char *
user_of(struct weir_exchange *x, const void *settings, void *s)
{
	const struct state *state = s;

	(void)x, (void)settings;
	return state->user;
}

static const struct weir_variable variables[] = {
	{ "connect_user", user_of, "The name that the client of the proxy logged in with; - for none." },
	{ .name = NULL }
};

/* --- who asks ------------------------------------------------------------------------------------------------------- */

static bool
is_known(struct weir_exchange *x, const struct settings *set, struct state *state)
{
	struct connect_user user;
	bool good, known;

	if (set->user.count == 0 && set->users == NULL)
		return true;
	good = connect_take_credentials(weir_request_field(x, "Proxy-Authorization"), &user);
	known = connect_knows(set->user.items, set->user.count, &user);
	known |= connect_knows(set->listed, set->listed_count, &user);
	if (good && known)
		state->user = weir_copy(x, user.text, strcspn(user.text, ":"));
	return good && known;
}

static enum weir_verdict
demand(struct weir_exchange *x, const struct settings *set)
{
	static const char page[] = "407 Proxy Authentication Required\n";

	weir_count(x, UNAUTHORISED, 1);
	weir_respond(x, 407, "text/plain; charset=utf-8", page, sizeof(page) - 1);
	weir_set_response_field(x, "Proxy-Authenticate", weir_printf(x, "Basic realm=\"%s\", charset=\"UTF-8\"", set->realm));
	return WEIR_RESPOND;
}

/* --- how many ------------------------------------------------------------------------------------------------------- */

static _Atomic uint32_t *
bucket_of(const struct sockaddr *address)
{
	uint64_t seed = atomic_load_explicit(&tunnels_seed, memory_order_relaxed), word = 0;

	if (address->sa_family == AF_INET)
		word = ((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr;
	else if (address->sa_family == AF_INET6)
		memcpy(&word, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, 8);
	word = (word ^ seed) * 0x9e3779b97f4a7c15u;
	word = (word ^ word >> 29 ^ seed) * 0x9e3779b97f4a7c15u;
	return &tunnels_of[word >> 50];
}

static void
count_out(struct weir_exchange *x, struct state *state)
{
	if (state->counted == NULL)
		return;
	atomic_fetch_sub_explicit(&tunnels_open, 1, memory_order_relaxed);
	atomic_fetch_sub_explicit(state->counted, 1, memory_order_relaxed);
	weir_count(x, OPEN, -1);
	state->counted = NULL;
}

/* Count the tunnel in; false when there are as many as there may be. */
static bool
count_in(struct weir_exchange *x, const struct settings *set, struct state *state)
{
	int64_t all, own;

	if (state->counted != NULL)	/* a rewrite has sent us through access again */
		return true;
	state->counted = bucket_of(weir_client_address(x));
	all = atomic_fetch_add_explicit(&tunnels_open, 1, memory_order_relaxed);
	own = (int64_t)atomic_fetch_add_explicit(state->counted, 1, memory_order_relaxed);
	weir_count(x, OPEN, 1);
	if (set->tunnels_per_client == 0 || weir_client_address(x)->sa_family == AF_UNIX)
		own = -1;	/* who comes by a Unix socket is told apart from nobody */
	if ((set->tunnels == 0 || all < set->tunnels) && own < set->tunnels_per_client)
		return true;
	count_out(x, state);
	weir_count(x, LIMITED, 1);
	return false;
}

/* --- what is asked for ---------------------------------------------------------------------------------------------- */

static enum weir_verdict
refuse(struct weir_exchange *x, const char *why)
{
	weir_count(x, REFUSED, 1);
	weir_fail(x, 403, "%s %s", weir_authority(x), why);
	return WEIR_FAIL;
}

static enum weir_verdict
begin_tunnel(struct weir_exchange *x, const struct settings *set, struct state *state, const struct connect_target *target)
{
	struct weir_tunnel tunnel = { .idle = set->idle, .total = set->total, .bytes = set->bytes };

	if (!count_in(x, set, state)) {
		weir_fail(x, 503, "there are as many tunnels as there may be");
		return WEIR_FAIL;
	}
	if (set->sni == MATCH)
		tunnel.sni = target->address.length > 0 ? "" : target->host;
	weir_tunnel(x, &tunnel);
	weir_count(x, TUNNELS, 1);
	return WEIR_NEXT;
}

static enum weir_verdict
guard(struct weir_exchange *x, const void *c, void *s)
{
	bool tunnel = strcmp(weir_method(x), "CONNECT") == 0;
	const char *scheme = weir_target_scheme(x);
	const struct settings *set = c;
	struct connect_target *target;
	struct state *state = s;

	if (!tunnel && scheme == NULL)
		return WEIR_NEXT;
	if (!is_known(x, set, state))
		return demand(x, set);
	if (!tunnel && strcmp(scheme, "http") != 0) {
		weir_fail(x, 501, "a target of https is reached by CONNECT");
		return WEIR_FAIL;
	}
	if ((target = weir_alloc(x, sizeof(*target))) == NULL)
		return WEIR_FAIL;
	if (!connect_take_target(target, weir_authority(x), 80))
		return refuse(x, "is no target");
	if (!connect_allows(&set->allow, tunnel ? &set->ports : &set->http_ports, target))
		return refuse(x, "is not allowed");
	if (target->address.length > 0 && !connect_reaches(&set->networks, &target->address.socket.any))
		return refuse(x, "lies where nothing may be connected to");
	state->target = target;
	weir_choose_upstream(x, weir_direct_upstream(x));
	if (tunnel)
		return begin_tunnel(x, set, state, target);
	weir_count(x, REQUESTS, 1);
	return WEIR_NEXT;
}

/* Asked of each address that the target has when its name has been looked up. */
static bool
permit(void *argument, const struct sockaddr *address)
{
	const struct settings *set = argument;

	return connect_reaches(&set->networks, address);
}

/* An errand has not come by the guard: it goes where the request did that it was sent for, if anybody may. */
static const struct connect_target *
target_of_errand(struct weir_exchange *x, const struct settings *set)
{
	struct connect_target *target;

	if (!weir_is_errand(x) || weir_upstream(x) != weir_direct_upstream(x)
		|| (target = weir_alloc(x, sizeof(*target))) == NULL)
		return NULL;
	if (!connect_take_target(target, weir_authority(x), 80) || !connect_allows(&set->allow, &set->http_ports, target)
			|| (target->address.length > 0 && !connect_reaches(&set->networks, &target->address.socket.any)))
		return NULL;
	return target;
}

static enum weir_verdict
aim(struct weir_exchange *x, const void *c, void *s)
{
	const struct settings *set = c;
	const struct state *state = s;
	const struct connect_target *target = state->target != NULL ? state->target : target_of_errand(x, set);
	struct weir_peer *peer = weir_peer(x);

	if (target == NULL)
		return WEIR_NEXT;
	peer->address = target->address;
	peer->permit = permit;
	peer->permit_argument = (void *)(uintptr_t)set;
	peer->connect_timeout = set->connect_timeout;
	return WEIR_NEXT;
}

static enum weir_verdict
finish(struct weir_exchange *x, const void *settings, void *state)
{
	(void)settings;
	count_out(x, state);
	return WEIR_NEXT;
}

/* --- the module ------------------------------------------------------------------------------------------------------ */

static void
check(struct weir_build *build, void *settings)
{
	struct settings *set = settings;
	uint64_t unseeded = 0;

	atomic_compare_exchange_strong(&tunnels_seed, &unseeded, weir_random() | 1);
	if (strpbrk(set->realm, "\"\\") != NULL)
		weir_build_error(build, "the realm has no quotes and no backslashes");
	if (set->users != NULL)
		connect_read_users(build, set->users, &set->listed, &set->listed_count);
}

/* A tunnel that was counted in may end on another route, if a module rewrites it: it is counted out there. */
static bool
needed(const void *settings, enum weir_phase phase)
{
	const struct settings *set = settings;

	return phase == WEIR_PHASE_LOG || set->allow.count > 0;
}

WEIR_MODULE(connect) = {
	WEIR_ABI,
	.summary = "Be a forward proxy, for targets that are allowed: CONNECT and requests in absolute-form.",
	.options = options,
	.metrics = metrics,
	.variables = variables,
	.settings_size = sizeof(struct settings),
	.request_size = sizeof(struct state),
	.order = WEIR_CLASS_EARLY,
	.check = check,
	.needed = needed,
	.hooks = {
		[WEIR_PHASE_ACCESS] = guard,
		[WEIR_PHASE_PEER] = aim,
		[WEIR_PHASE_LOG] = finish,
	},
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * micro_http1: nanoseconds a call of the HTTP/1.1 parsers and writers, alone on one core.
 *
 * The head is copied afresh before each parse, because parsing changes it, and the arena begins in room of
 * its own, as that of a request does; both are part of the figure. Each row is the best of several rounds:
 * what the machine's other work adds is not ours.
 */
#include "server/arena.h"
#include "server/http1.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS 9
#define CALLS 200000

static const struct http1_limits limits = { .head_size = 16384, .fields = 100, .target_length = 8192 };

static const char curl[] =
	"GET /1k HTTP/1.1\r\n"
	"Host: 127.0.0.1:8080\r\n"
	"User-Agent: curl/7.88.1\r\n"
	"Accept: */*\r\n"
	"\r\n";

static const char browser[] =
	"GET /articles/2023/11/a-title-of-some-length?ref=front HTTP/1.1\r\n"
	"Host: www.example.com\r\n"
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Firefox/115.0\r\n"
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n"
	"Accept-Language: en-US,en;q=0.5\r\n"
	"Accept-Encoding: gzip, deflate, br\r\n"
	"Connection: keep-alive\r\n"
	"Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n"
	"Upgrade-Insecure-Requests: 1\r\n"
	"Sec-Fetch-Dest: document\r\n"
	"Sec-Fetch-Mode: navigate\r\n"
	"\r\n";

static const char origin[] =
	"HTTP/1.1 200 OK\r\n"
	"Server: nginx/1.22.1\r\n"
	"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
	"Content-Type: application/octet-stream\r\n"
	"Content-Length: 1024\r\n"
	"Last-Modified: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
	"Connection: keep-alive\r\n"
	"ETag: \"00000000-400\"\r\n"
	"Accept-Ranges: bytes\r\n"
	"\r\n";

static char head[2048], out[4096], room[8192];
static struct request request;
static struct response response;
static volatile size_t sink;

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void
expect(int result, size_t length)
{
	if (result != (int)length) {
		fprintf(stderr, "a head that should be good is not: %d\n", result);
		exit(1);
	}
}

static void
parse_request(const char *text, size_t length)
{
	struct arena arena;
	const char *why;

	memcpy(head, text, length);
	arena_init_with(&arena, NULL, 0, room, sizeof(room));
	expect(http1_parse_request(&request, head, length, 0, &limits, &arena, &why), length);
}

static void
parse_response(const char *text, size_t length)
{
	struct arena arena;
	const char *why;

	memcpy(head, text, length);
	arena_init_with(&arena, NULL, 0, room, sizeof(room));
	expect(http1_parse_response(&response, METHOD_GET, head, length, 0, &limits, &arena, &why), length);
}

/* The head byte by byte, as the slowest network would bring it. */
static void
parse_drops(const char *text, size_t length)
{
	struct arena arena;
	const char *why;

	memcpy(head, text, length);
	arena_init_with(&arena, NULL, 0, room, sizeof(room));
	for (size_t at = 1; at < length; at++)
		expect(http1_parse_request(&request, head, at, at - 1, &limits, &arena, &why), 0);
	expect(http1_parse_request(&request, head, length, length - 1, &limits, &arena, &why), length);
}

static void
write_request(const char *text, size_t length)
{
	(void)text;
	(void)length;
	sink = http1_write_request(out, sizeof(out), &request, true);
}

static void
write_response(const char *text, size_t length)
{
	(void)text;
	(void)length;
	sink = http1_write_response(out, sizeof(out), &response, true, 1, NULL);
}

static void
strip(const char *text, size_t length)
{
	struct fields fields = request.fields;
	const char *why;

	(void)text;
	(void)length;
	sink = fields_strip_hop_by_hop(&fields, true, &why);
}

static void
copy_only(const char *text, size_t length)
{
	memcpy(head, text, length);
	__asm__ volatile("" ::: "memory");
}

static void
measure(const char *name, void (*work)(const char *, size_t), const char *text, size_t length, int calls)
{
	double best = 1e18;

	work(text, length);
	for (int round = 0; round < ROUNDS; round++) {
		double start = now(), took;

		for (int i = 0; i < calls; i++)
			work(text, length);
		took = (now() - start) / calls;
		if (took < best)
			best = took;
	}
	printf("%-34s %5zu bytes %8.1f ns\n", name, length, best);
}

int
main(void)
{
	measure("copy the head only", copy_only, browser, sizeof(browser) - 1, CALLS);
	measure("parse a request of curl", parse_request, curl, sizeof(curl) - 1, CALLS);
	measure("parse a request of a browser", parse_request, browser, sizeof(browser) - 1, CALLS);
	measure("write that request", write_request, browser, sizeof(browser) - 1, CALLS);
	measure("the same in drops of one byte", parse_drops, browser, sizeof(browser) - 1, CALLS / 50);
	parse_request(browser, sizeof(browser) - 1);
	measure("strip hop-by-hop fields", strip, browser, sizeof(browser) - 1, CALLS);
	measure("parse a response", parse_response, origin, sizeof(origin) - 1, CALLS);
	measure("write that response", write_response, origin, sizeof(origin) - 1, CALLS);
	return 0;
}

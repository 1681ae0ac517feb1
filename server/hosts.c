/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hosts: the names that need no server: numbers, the names of /etc/hosts, localhost.
 *
 * The file's text is kept, cut into words, and the table points into it.
 */
#include "hosts.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "text.h"

struct host {
	const char *name;
	unsigned order;			/* in the file */
	struct resolver_address address;
};

struct hosts {
	const char *path;
	struct timespec changed;
	char *text;
	struct host *list;
	unsigned count, room;
};

bool
hosts_numeric(const char *text, struct resolver_address *address)
{
	*address = (struct resolver_address){ 0 };
	if (inet_pton(AF_INET, text, &address->in.sin_addr) == 1) {
		address->in.sin_family = AF_INET;
		address->length = sizeof(address->in);
	} else if (inet_pton(AF_INET6, text, &address->in6.sin6_addr) == 1) {
		address->in6.sin6_family = AF_INET6;
		address->length = sizeof(address->in6);
	}
	return address->length > 0;
}

static char *
read_text(const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = file == NULL ? NULL : malloc(HOSTS_SIZE + 1), *fitted;
	size_t length;

	if (text != NULL) {
		length = fread(text, 1, HOSTS_SIZE, file);
		text[length] = '\0';
		fitted = realloc(text, length + 1);
		if (fitted != NULL)
			text = fitted;
	}
	if (file != NULL)
		fclose(file);
	return text;
}

static bool
add(struct hosts *hosts, char *name, const struct resolver_address *address)
{
	struct host *list = hosts->list;

	if (hosts->count == HOSTS_NAMES)
		return false;
	if (hosts->count == hosts->room) {
		hosts->room = hosts->room == 0 ? 16 : hosts->room * 2;
		if ((list = realloc(list, hosts->room * sizeof(*list))) == NULL)
			return false;
		hosts->list = list;
	}
	for (char *c = name; *c != '\0'; c++)
		*c = (char)text_lower((unsigned char)*c);
	list[hosts->count] = (struct host){ name, hosts->count, *address };
	hosts->count++;
	return true;
}

/* "address name [name …]", with a comment perhaps. */
static bool
read_line(struct hosts *hosts, char *line)
{
	struct resolver_address address;
	char *rest, *word;

	line[strcspn(line, "#")] = '\0';
	word = strtok_r(line, " \t\r", &rest);
	if (word == NULL || !hosts_numeric(word, &address))
		return true;
	while ((word = strtok_r(NULL, " \t\r", &rest)) != NULL)
		if (!add(hosts, word, &address))
			return false;
	return true;
}

static int
compare(const void *left, const void *right)
{
	const struct host *a = left, *b = right;
	int order = strcmp(a->name, b->name);

	return order != 0 ? order : (a->order > b->order) - (a->order < b->order);
}

static void
forget(struct hosts *hosts)
{
	free(hosts->text);
	free(hosts->list);
	*hosts = (struct hosts){ .path = hosts->path };
}

void
hosts_refresh(struct hosts *hosts)
{
	struct stat status = { 0 };
	char *rest, *line;

	if (stat(hosts->path, &status) == 0 &&
		memcmp(&status.st_mtim, &hosts->changed, sizeof(hosts->changed)) == 0)
		return;
	forget(hosts);
	hosts->changed = status.st_mtim;
	if ((hosts->text = read_text(hosts->path)) == NULL)
		return;
	for (line = strtok_r(hosts->text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
		if (!read_line(hosts, line))
			break;
	if (hosts->count > 0)
		qsort(hosts->list, hosts->count, sizeof(*hosts->list), compare);
}

struct hosts *
hosts_new(const char *path)
{
	struct hosts *hosts = calloc(1, sizeof(*hosts));

	if (hosts != NULL) {
		hosts->path = path;
		hosts_refresh(hosts);
	}
	return hosts;
}

void
hosts_free(struct hosts **hosts)
{
	if (*hosts == NULL)
		return;
	forget(*hosts);
	free(*hosts);
	*hosts = NULL;
}

static unsigned
find_in_file(const struct hosts *hosts, const char *name, struct resolver_address *addresses, unsigned room)
{
	unsigned low = 0, high = hosts->count, found = 0;

	while (low < high) {		/* the first of this name, if any */
		unsigned middle = low + (high - low) / 2;

		if (strcmp(hosts->list[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; found < room && low < hosts->count && strcmp(hosts->list[low].name, name) == 0; low++)
		addresses[found++] = hosts->list[low].address;
	return found;
}

static bool
is_localhost(const char *name)
{
	static const char suffix[] = ".localhost";
	size_t length = strlen(name), tail = sizeof(suffix) - 1;

	return strcmp(name, suffix + 1) == 0 || (length > tail && strcmp(name + length - tail, suffix) == 0);
}

/* No server is ever asked for localhost and what is below it (RFC 6761, 6.3). */
unsigned
hosts_find(const struct hosts *hosts, const char *name, struct resolver_address *addresses, unsigned room)
{
	unsigned found;

	if (room > 0 && hosts_numeric(name, &addresses[0]))
		return 1;
	found = find_in_file(hosts, name, addresses, room);
	if (found == 0 && room >= 2 && is_localhost(name)) {
		hosts_numeric("::1", &addresses[0]);
		hosts_numeric("127.0.0.1", &addresses[1]);
		return 2;
	}
	return found;
}

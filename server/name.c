/* SPDX-License-Identifier: Apache-2.0 */
/*
 * name: host names as keys: their one form, and a table of a bounded number of them, the least recently used
 * out first.
 *
 * Names may come from clients, so the hash starts at random. Only letters, digits, '-', '_' and '.' make a
 * name: all else is refused here and reaches no name server. A colon is allowed for numeric IPv6 addresses
 * alone.
 */
#include "name.h"

#include <arpa/inet.h>
#include <string.h>
#include <weir/thread.h>

#include "text.h"

static bool
is_letter(unsigned char c)
{
	return text_is_digit(c) || (c >= 'a' && c <= 'z') || c == '-' || c == '_';
}

bool
name_normalise(const char *text, char to[NAME_LENGTH + 1])
{
	size_t length = strnlen(text, NAME_LENGTH + 2), label = 0;
	bool colon = false;

	if (length > 0 && text[length - 1] == '.')
		length--;
	if (length == 0 || length > NAME_LENGTH)
		return false;
	for (size_t i = 0; i < length; i++) {
		unsigned char c = text_lower((unsigned char)text[i]);

		if (c == ':')
			colon = true;
		else if (c == '.' ? label == 0 && !colon : !is_letter(c) || label == 63)
			return false;
		label = c == '.' ? 0 : label + 1;
		to[i] = (char)c;
	}
	to[length] = '\0';
	return label > 0 && (!colon || inet_pton(AF_INET6, to, &(struct in6_addr){ 0 }) == 1);
}

static struct name **
bucket_of(struct name_table *table, const char *text)
{
	uint64_t hash = table->seed;

	for (; *text != '\0'; text++)
		hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return &table->buckets[(hash ^ hash >> 32) % NAME_BUCKETS];
}

static void
become_newest(struct name_table *table, struct name *name)
{
	name->newer = NULL;
	name->older = table->newest;
	*(table->newest != NULL ? &table->newest->newer : &table->oldest) = name;
	table->newest = name;
}

static void
leave_order(struct name_table *table, struct name *name)
{
	*(name->newer != NULL ? &name->newer->older : &table->newest) = name->older;
	*(name->older != NULL ? &name->older->newer : &table->oldest) = name->newer;
}

void
name_table_init(struct name_table *table)
{
	memset(table, 0, sizeof(*table));
	table->seed = weir_random();
}

struct name *
name_find(struct name_table *table, const char *text)
{
	struct name *name = *bucket_of(table, text);

	while (name != NULL && strcmp(name->text, text) != 0)
		name = name->next;
	if (name != NULL && name != table->newest) {
		leave_order(table, name);
		become_newest(table, name);
	}
	return name;
}

void
name_add(struct name_table *table, struct name *name)
{
	struct name **bucket = bucket_of(table, name->text);

	name->next = *bucket;
	*bucket = name;
	become_newest(table, name);
	table->count++;
}

void
name_remove(struct name_table *table, struct name *name)
{
	struct name **link = bucket_of(table, name->text);

	while (*link != name)
		link = &(*link)->next;
	*link = name->next;
	leave_order(table, name);
	table->count--;
}

struct name *
name_oldest(const struct name_table *table)
{
	struct name *name = table->oldest;

	while (name != NULL && name->holds > 0)
		name = name->newer;
	return name;
}

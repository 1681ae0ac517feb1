/* SPDX-License-Identifier: Apache-2.0 */
/*
 * difference: what a reload has changed, for its operator.
 */
#include "difference.h"

#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "listener.h"

static void
add(struct difference *d, struct difference_list *list, const char *kind, const char *name)
{
	const char *text;

	if (list->count++ >= DIFFERENCE_KEPT)
		return;
	text = *kind == '\0' ? arena_copy(&d->arena, name, strlen(name)) :
		arena_printf(&d->arena, "[%s%s%s]", kind, *name != '\0' ? " " : "", name);
	list->names[list->count - 1] = text != NULL ? text : "";
}

/* The same keys with the same values in the same order. */
static bool
is_same(const struct config_section *a, const struct config_section *b)
{
	const struct config_entry *one = a->entries, *other = b->entries;

	while (one != NULL && other != NULL && strcmp(one->key, other->key) == 0 &&
		strcmp(one->value, other->value) == 0) {
		one = one->next;
		other = other->next;
	}
	return one == NULL && other == NULL;
}

static void
note(struct difference *d, struct difference_list *list, const struct config_section *section)
{
	add(d, list, section->kind, section->name);
	d->routing |= strcmp(section->kind, "route") == 0 || strcmp(section->kind, "upstream") == 0;
}

struct difference *
difference_of(const struct config *before, const struct config *now)
{
	struct difference *d = calloc(1, sizeof(*d));
	const struct config_section *other;

	if (d == NULL)
		return NULL;
	arena_init(&d->arena, NULL, 0);
	for (const struct config_section *s = now->sections; s != NULL; s = s->next) {
		if ((other = config_find(before, s->kind, s->name)) == NULL)
			note(d, &d->added, s);
		else if (!is_same(s, other))
			note(d, &d->changed, s);
	}
	for (const struct config_section *s = before->sections; s != NULL; s = s->next)
		if (config_find(now, s->kind, s->name) == NULL)
			note(d, &d->removed, s);
	return d;
}

void
difference_add_sockets(struct difference *d, const struct sockets *sockets, const void *first_before)
{
	bool is_new = true;

	for (const struct socket_set *set = sockets->first; set != NULL; set = set->next) {
		is_new = is_new && set != first_before;
		if (is_new && set->wanted)
			add(d, &d->opened, "", set->text);
		else if (!is_new && !set->wanted)
			add(d, &d->closed, "", set->text);
	}
}

void
difference_free(struct difference **difference)
{
	if (*difference == NULL)
		return;
	arena_free(&(*difference)->arena);
	free(*difference);
	*difference = NULL;
}

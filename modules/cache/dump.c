/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dump: the hot set in a file.
 *
 *	file	= header *record end
 *	record	= struct record, key, variant, etag, vary, lines, tags, trailers, body, checksum of all of these
 *	end	= struct record with the mark END and no texts, checksum
 */
#include "dump.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RECORD 0x72656364u
#define END 0x656e6421u
#define PIECE ((size_t)64 * 1024)

static const char header[24] = "weir cache 1\n\0\1\2\3\4\5\6\7\10\11";

enum { NO_CACHE = 1, MUST_REVALIDATE = 2, IMMUTABLE = 4, HEURISTIC = 8 };

/* In the order in which they stand in the file. */
enum { KEY, VARIANT, ETAG, VARY, LINES, TAGS, TRAILERS, TEXTS };

struct record {
	uint32_t mark, kind, status, flags;
	int64_t born, lifetime, while_revalidate, if_error, date, modified;
	uint32_t lengths[TEXTS], space;
	uint64_t body;
};

_Static_assert(sizeof(struct record) == 104, "no gaps, of which the file would hold what was there before");

/* A file, and the checksum of what went through. */
struct stream {
	FILE *file;
	uint64_t sum;
	bool bad;
};

static uint64_t
add_to_sum(uint64_t sum, const void *bytes, size_t length)
{
	const unsigned char *at = bytes;

	for (size_t i = 0; i < length; i++)
		sum = (sum ^ at[i]) * 0x100000001b3;
	return sum;
}

/* --- out ------------------------------------------------------------------------------------------------ */

struct writer {
	struct stream to;
	struct cache_store *store;
	int64_t now;
	size_t count;
};

static void
put(struct stream *to, const void *bytes, size_t length)
{
	to->sum = add_to_sum(to->sum, bytes, length);
	if (length > 0 && fwrite(bytes, 1, length, to->file) != length)
		to->bad = true;
}

static void
put_sum(struct stream *to)
{
	uint64_t sum = to->sum;

	put(to, &sum, sizeof(sum));
	to->sum = 0;
}

static bool
is_worth_it(const struct writer *w, struct cache_object *object)
{
	if (object->kind == CACHE_VARY)
		return true;
	if (object->kind != CACHE_RESPONSE || cache_body_state(object->body) != CACHE_WHOLE ||
		atomic_load_explicit(&object->stale, memory_order_relaxed) || !cache_store_is_hot(w->store, object))
		return false;
	return cache_useful_until(&object->fresh) > w->now || object->etag != NULL || object->modified >= 0;
}

/* Its tags as they are read: each with a space before it. */
static uint32_t
tags_length(const struct cache_object *object)
{
	uint32_t length = 0;

	for (uint32_t i = 0; i < object->tag_count; i++)
		length += object->tags[i].length + 1;
	return length;
}

static struct record
record_of(const struct cache_object *object)
{
	const struct cache_freshness *fresh = &object->fresh;
	const struct cache_body *body = object->body;

	return (struct record){
		.mark = RECORD,
		.kind = (uint32_t)object->kind,
		.status = (uint32_t)object->status,
		.flags = (fresh->no_cache ? NO_CACHE : 0) | (fresh->must_revalidate ? MUST_REVALIDATE : 0) |
			(fresh->immutable ? IMMUTABLE : 0) | (fresh->heuristic ? HEURISTIC : 0),
		.born = fresh->born,
		.lifetime = fresh->lifetime,
		.while_revalidate = fresh->while_revalidate,
		.if_error = fresh->if_error,
		.date = object->date,
		.modified = object->modified,
		.lengths = { object->name.key_length, object->name.variant_length,
			object->etag != NULL ? (uint32_t)strlen(object->etag) : 0,
			object->vary != NULL ? (uint32_t)strlen(object->vary) : 0, object->lines_length,
			tags_length(object), body != NULL ? body->trailers_length : 0 },
		.space = object->name.space,
		.body = body != NULL ? cache_body_length(body) : 0,
	};
}

static bool
write_object(void *argument, struct cache_object *object)
{
	struct writer *w = argument;
	struct record record = record_of(object);
	struct cache_cursor cursor = { 0 };
	const char *data;
	size_t length;

	if (!is_worth_it(w, object))
		return true;
	put(&w->to, &record, sizeof(record));
	put(&w->to, object->name.key, record.lengths[KEY]);
	put(&w->to, object->name.variant, record.lengths[VARIANT]);
	put(&w->to, object->etag, record.lengths[ETAG]);
	put(&w->to, object->vary, record.lengths[VARY]);
	put(&w->to, object->lines, record.lengths[LINES]);
	for (uint32_t i = 0; i < object->tag_count; i++) {
		put(&w->to, " ", 1);
		put(&w->to, object->tags[i].text, object->tags[i].length);
	}
	if (object->body != NULL) {
		put(&w->to, object->body->trailers, record.lengths[TRAILERS]);
		while (cache_body_read(object->body, &cursor, SIZE_MAX, &data, &length))
			put(&w->to, data, length);
	}
	put_sum(&w->to);
	w->count++;
	return !w->to.bad;
}

/* A rename is durable once its folder is written. */
static bool
sync_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX] = ".";
	int fd;
	bool good;

	if (slash != NULL)
		snprintf(folder, sizeof(folder), "%.*s", slash == path ? 1 : (int)(slash - path), path);
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return false;
	good = fsync(fd) == 0;
	close(fd);
	return good;
}

static bool
write_all(struct cache_store *store, FILE *file, int64_t now, size_t *count)
{
	struct writer w = { .to = { .file = file }, .store = store, .now = now };
	const struct record end = { .mark = END };

	put(&w.to, header, sizeof(header));
	w.to.sum = 0;
	cache_store_walk(store, NULL, write_object, &w);
	put(&w.to, &end, sizeof(end));
	put_sum(&w.to);
	*count = w.count;
	return !w.to.bad && fflush(file) == 0 && fsync(fileno(file)) == 0;
}

bool
cache_dump_write(struct cache_store *store, const char *path, int64_t now, size_t *count)
{
	char other[PATH_MAX];
	FILE *file = NULL;
	bool good;
	int fd, error;

	if ((size_t)snprintf(other, sizeof(other), "%s.new", path) >= sizeof(other)) {
		errno = ENAMETOOLONG;
		return false;
	}
	fd = open(other, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0 && (file = fdopen(fd, "w")) == NULL)
		close(fd);
	if (file == NULL)
		return false;
	good = write_all(store, file, now, count);
	error = errno;
	good = fclose(file) == 0 && good && rename(other, path) == 0 && sync_folder(path);
	if (!good) {
		error = errno != 0 ? errno : error;
		unlink(other);
		errno = error;
	}
	return good;
}

/* --- in ------------------------------------------------------------------------------------------------- */

static bool
get(struct stream *from, void *bytes, size_t length)
{
	if (length > 0 && fread(bytes, 1, length, from->file) != length)
		from->bad = true;
	else
		from->sum = add_to_sum(from->sum, bytes, length);
	return !from->bad;
}

static bool
get_sum(struct stream *from)
{
	uint64_t sum = from->sum, read = 0;

	if (!get(from, &read, sizeof(read)) || read != sum)
		from->bad = true;
	from->sum = 0;
	return !from->bad;
}

static bool
is_possible(const struct record *record)
{
	uint64_t texts = 0;

	for (int i = 0; i < TEXTS; i++)
		texts += record->lengths[i];
	if (record->mark != RECORD || texts > 2 * CACHE_HEAD_MOST || record->lengths[TRAILERS] > CACHE_HEAD_MOST)
		return false;
	if (record->lengths[KEY] == 0 || record->lengths[KEY] >= CACHE_KEY_MOST)
		return false;
	if (record->born < 0 || record->lifetime > INT32_MAX * INT64_C(1000))
		return false;
	if (record->kind == CACHE_VARY)
		return record->body == 0 && record->lengths[VARY] > 0;
	return record->kind == CACHE_RESPONSE && record->status >= 200 && record->status <= 599;
}

/* Make the object of a record whose texts are in `room`, each ended by NUL. NULL: it cannot be, or
 * something of its name is there. */
static struct cache_object *
make_object(struct cache_store *store, const struct cache_secret *secret, const struct record *r,
	char *const texts[TEXTS], int64_t now)
{
	struct cache_draft draft = {
		.name = { texts[KEY], texts[VARIANT], r->lengths[KEY], r->lengths[VARIANT],
			cache_key_hash(secret, texts[KEY], r->lengths[KEY]), r->space },
		.kind = (enum cache_kind)r->kind,
		.status = (int)r->status,
		.fresh = { .born = r->born < now ? r->born : now,
			.lifetime = r->lifetime,
			.while_revalidate = r->while_revalidate,
			.if_error = r->if_error,
			.no_cache = r->flags & NO_CACHE,
			.must_revalidate = r->flags & MUST_REVALIDATE,
			.immutable = r->flags & IMMUTABLE,
			.heuristic = r->flags & HEURISTIC },
		.date = r->date,
		.modified = r->modified,
		.etag = r->lengths[ETAG] > 0 ? texts[ETAG] : NULL,
		.vary = r->lengths[VARY] > 0 ? texts[VARY] : NULL,
		.lines = texts[LINES],
		.lines_length = r->lengths[LINES],
		.tags = texts[TAGS],
		.length = (int64_t)r->body,
	};
	struct cache_object *other = cache_store_find(store, &draft.name);

	if (other != NULL || r->body > INT64_MAX) {
		cache_object_release(store, &other);
		return NULL;
	}
	return cache_object_new(store, &draft);
}

/* The body into the object, if there is one that takes it, and past it otherwise. False: the file has
 * less. */
static bool
get_body(struct stream *from, struct cache_store *store, struct cache_object **object, uint64_t rest)
{
	static _Thread_local char piece[PIECE];

	while (rest > 0) {
		size_t part = rest < PIECE ? (size_t)rest : PIECE;

		if (!get(from, piece, part))
			return false;
		if (*object != NULL && !cache_body_append(store, *object, piece, part)) {
			cache_body_abort(store, *object);
			cache_object_release(store, object);
		}
		rest -= part;
	}
	return true;
}

/* One record; its object is found only once all of it was read. */
static bool
read_record(struct stream *from, const struct record *record, struct cache_store *store,
	const struct cache_secret *secret, int64_t now, char *room, size_t *count)
{
	struct cache_object *object;
	char *texts[TEXTS];

	for (int i = 0; i < TEXTS; room += record->lengths[i++] + 1) {
		texts[i] = room;
		if (!get(from, room, record->lengths[i]))
			return false;
		room[record->lengths[i]] = '\0';
	}
	object = make_object(store, secret, record, texts, now);
	if (!get_body(from, store, &object, record->body) || !get_sum(from)) {
		if (object != NULL && object->body != NULL)
			cache_body_abort(store, object);
		cache_object_release(store, &object);
		return false;
	}
	if (object == NULL ||
		(object->body != NULL &&
			!cache_body_end(store, object, texts[TRAILERS], record->lengths[TRAILERS]))) {
		cache_object_release(store, &object);
		return true;
	}
	atomic_store_explicit(&object->hits, 1, memory_order_relaxed);	/* it was hot */
	*count += cache_store_add(store, object);
	cache_object_release(store, &object);
	return true;
}

enum cache_dump_result
cache_dump_load(struct cache_store *store, const struct cache_secret *secret, FILE *file, int64_t now, size_t *count)
{
	struct stream from = { .file = file };
	char start[sizeof(header)], *room;
	struct record record;
	bool ended = false;

	*count = 0;
	if (!get(&from, start, sizeof(start)) || memcmp(start, header, sizeof(header)) != 0)
		return CACHE_DUMP_DAMAGED;
	room = malloc(2 * CACHE_HEAD_MOST + TEXTS);
	if (room == NULL)
		return CACHE_DUMP_DAMAGED;
	from.sum = 0;
	while (!ended && get(&from, &record, sizeof(record))) {
		if (record.mark == END)
			ended = get_sum(&from);
		else if (!is_possible(&record) || !read_record(&from, &record, store, secret, now, room, count))
			break;
		if (record.mark == END)
			break;
	}
	free(room);
	return ended ? CACHE_DUMP_READ : CACHE_DUMP_DAMAGED;
}

enum cache_dump_result
cache_dump_read(struct cache_store *store, const struct cache_secret *secret, const char *path, int64_t now,
	size_t *count)
{
	FILE *file = fopen(path, "re");
	enum cache_dump_result result;

	*count = 0;
	if (file == NULL)
		return CACHE_DUMP_NONE;
	unlink(path);
	result = cache_dump_load(store, secret, file, now, count);
	fclose(file);
	return result;
}

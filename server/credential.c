/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credential: what the identities and the trusts of a configuration have in common.
 *
 * Two tables: credentials by their paths, which only the main thread sees, and contents by their digests, under a
 * lock that is held for the time of a few pointers. A digest is SHA-256: who finds two contents with one digest can
 * forge certificates as well, so equal digests are equal contents.
 */
#include "credential.h"

#include <assert.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <weir/thread.h>

#include "config.h"
#include "generation.h"
#include "report.h"

enum { BUCKETS = 4096, PATIENCE = 60000, ATTEMPTS = 3 };

static struct credential *credentials[BUCKETS], *all;

static struct {
	pthread_mutex_t lock;
	struct credential_content *buckets[BUCKETS];
} contents = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* --- contents ------------------------------------------------------------------------------------------- */

static struct credential_content **
bucket_of(const struct credential_content *content)
{
	return &contents.buckets[(content->digest[0] << 8 | content->digest[1]) % BUCKETS];
}

struct credential_content *
credential_hold_again(struct credential_content *content)
{
	pthread_mutex_lock(&contents.lock);
	assert(content->references > 0);
	content->references++;
	pthread_mutex_unlock(&contents.lock);
	return content;
}

struct credential_content *
credential_hold(const struct credential *credential)
{
	struct credential_content *content;

	pthread_mutex_lock(&contents.lock);
	content = atomic_load_explicit(&credential->content, memory_order_relaxed);
	if (content != NULL)
		content->references++;
	pthread_mutex_unlock(&contents.lock);
	return content;
}

const void *
credential_peek(const struct credential *credential)
{
	return atomic_load_explicit(&credential->content, memory_order_acquire);
}

void
credential_drop(struct credential_content *content)
{
	struct credential_content **link;
	bool last;

	if (content == NULL)
		return;
	pthread_mutex_lock(&contents.lock);
	last = --content->references == 0;
	if (last) {
		for (link = bucket_of(content); *link != content; link = &(*link)->next)
			assert(*link != NULL);
		*link = content->next;
	}
	pthread_mutex_unlock(&contents.lock);
	if (last)
		content->kind->free(content);
}

/* The content with these bytes that is there already, held, instead of a new one; else the new one. */
static struct credential_content *
intern(struct credential_content *fresh)
{
	struct credential_content *found, **bucket = bucket_of(fresh);

	pthread_mutex_lock(&contents.lock);
	for (found = *bucket; found != NULL; found = found->next)
		if (found->kind == fresh->kind && memcmp(found->digest, fresh->digest, CREDENTIAL_DIGEST) == 0)
			break;
	if (found != NULL) {
		found->references++;
	} else {
		fresh->references = 1;
		fresh->next = *bucket;
		*bucket = fresh;
	}
	pthread_mutex_unlock(&contents.lock);
	if (found == NULL)
		return fresh;
	fresh->kind->free(fresh);
	return found;
}

/* --- credentials ---------------------------------------------------------------------------------------- */

static bool
same_path(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool
has_paths(const struct credential *credential, const char *const paths[CREDENTIAL_PARTS])
{
	for (unsigned part = 0; part < CREDENTIAL_PARTS; part++)
		if (!same_path(credential->paths[part], paths[part]))
			return false;
	return true;
}

/* Where the pointer to it is, or has to be. */
static struct credential **
find(const struct credential_kind *kind, const char *const paths[CREDENTIAL_PARTS])
{
	struct credential **link;
	uint32_t hash = 2166136261u;

	for (unsigned part = 0; part < CREDENTIAL_PARTS; part++)
		for (const char *c = paths[part]; c != NULL && *c != '\0'; c++)
			hash = (hash ^ (unsigned char)*c) * 16777619u;
	link = &credentials[hash % BUCKETS];
	while (*link != NULL && ((*link)->kind != kind || !has_paths(*link, paths)))
		link = &(*link)->next;
	return link;
}

static void
destroy(struct credential *credential)
{
	credential_drop(atomic_load(&credential->content));
	for (unsigned part = 0; part < CREDENTIAL_PARTS; part++)
		free(credential->paths[part]);
	free(credential);
}

static struct credential *
make(const struct credential_kind *kind, const char *const paths[CREDENTIAL_PARTS])
{
	struct credential *credential = calloc(1, sizeof(*credential));
	bool whole = credential != NULL;

	for (unsigned part = 0; part < CREDENTIAL_PARTS && whole; part++)
		if (paths[part] != NULL)
			whole = (credential->paths[part] = strdup(paths[part])) != NULL;
	if (whole) {
		credential->kind = kind;
		return credential;
	}
	if (credential != NULL)
		destroy(credential);
	return NULL;
}

void
credential_acquire(struct credential *credential)
{
	credential->users++;
}

void
credential_let_go(struct credential *credential)
{
	struct credential **link;

	if (--credential->users > 0)
		return;
	link = find(credential->kind, (const char *const *)credential->paths);
	assert(*link == credential);
	*link = credential->next;
	*credential->link_of_all = credential->next_of_all;
	if (credential->next_of_all != NULL)
		credential->next_of_all->link_of_all = credential->link_of_all;
	destroy(credential);
}

struct credential *
credential_first(void)
{
	return all;
}

/* --- uses ----------------------------------------------------------------------------------------------- */

/* Is it the path that this value of the configuration means? */
static bool
means(const struct config *config, const char *value, const char *path)
{
	size_t folder = strlen(config->folder);

	if (*value == '/')
		return strcmp(value, path) == 0;
	return strncmp(config->folder, path, folder) == 0 && path[folder] == '/' &&
		strcmp(path + folder + 1, value) == 0;
}

/* The section that is being built. */
static const struct config_section *
section_at(const struct weir_build *build)
{
	const struct config_section *found = NULL;

	for (const struct config_section *s = build->generation->config->sections; s != NULL; s = s->next)
		if (s->line <= build->line && (found == NULL || s->line > found->line) && strcmp(s->file, build->file) == 0)
			found = s;
	return found;
}

static bool
find_line(const struct weir_build *build, const struct config_section *section, const char *path, const char **file,
	unsigned *line)
{
	const struct config_entry *entry = section != NULL ? section->entries : NULL;

	while (entry != NULL && !means(build->generation->config, entry->value, path))
		entry = entry->next;
	if (entry != NULL) {
		*file = entry->file;
		*line = entry->line;
	}
	return entry != NULL;
}

/* Where the files are named: in the section at hand, or in the module's own, which has the defaults. */
static void
find_origins(const struct weir_build *build, struct credential_use *use)
{
	const struct config_section *section = section_at(build), *defaults = NULL;

	if (build->module != NULL)
		defaults = config_find(build->generation->config, "module", build->module->name);
	for (unsigned part = 0; part < CREDENTIAL_PARTS; part++) {
		const char *path = use->credential->paths[part];

		use->origins[part].file = build->file;
		use->origins[part].line = build->line;
		if (path != NULL && !find_line(build, section, path, &use->origins[part].file, &use->origins[part].line))
			find_line(build, defaults, path, &use->origins[part].file, &use->origins[part].line);
	}
}

static void
add_use(struct weir_build *build, struct credential *credential, struct credential_use *use)
{
	struct generation *generation = build->generation;

	*use = (struct credential_use){ .credential = credential };
	find_origins(build, use);
	*generation->last_use = use;
	generation->last_use = &use->next;
	credential->latest = generation;
	credential_acquire(credential);
}

static void
add_credential(struct credential **link, struct credential *credential)
{
	credential->next = *link;
	*link = credential;
	credential->next_of_all = all;
	credential->link_of_all = &all;
	if (all != NULL)
		all->link_of_all = &credential->next_of_all;
	all = credential;
}

struct credential *
credential_use(struct weir_build *build, const struct credential_kind *kind, const char *const paths[CREDENTIAL_PARTS])
{
	struct credential **link = find(kind, paths);
	struct credential_use *use;

	if (*link != NULL && (*link)->latest == build->generation)
		return *link;
	use = weir_build_alloc(build, 1, sizeof(*use));
	if (use != NULL && *link == NULL) {
		struct credential *made = make(kind, paths);

		if (made != NULL)
			add_credential(link, made);
		build->failed |= made == NULL;
	}
	if (use == NULL || *link == NULL)
		return NULL;
	add_use(build, *link, use);
	return *link;
}

void
credential_release(struct generation *generation)
{
	for (struct credential_use *use = generation->uses, *next; use != NULL; use = next) {
		next = use->next;
		if (use->credential->latest == generation)
			use->credential->latest = NULL;
		credential_let_go(use->credential);
	}
	generation->uses = NULL;
	generation->last_use = &generation->uses;
}

/* --- reading -------------------------------------------------------------------------------------------- */

void
credential_note(struct credential_notes *notes, unsigned part, bool warning, const char *format, ...)
{
	struct credential_note *note = &notes->list[notes->count];
	va_list arguments;

	notes->errors += !warning;
	if (notes->count == CREDENTIAL_NOTES)
		return;
	notes->count++;
	note->part = part;
	note->warning = warning;
	va_start(arguments, format);
	vsnprintf(note->text, sizeof(note->text), format, arguments);
	va_end(arguments);
}

bool
credential_is_fresh(const struct file_stamp stamps[CREDENTIAL_PARTS], char *const paths[CREDENTIAL_PARTS])
{
	struct file_stamp now;

	for (unsigned part = 0; part < CREDENTIAL_PARTS; part++) {
		if (paths[part] == NULL)
			continue;
		file_ask(&now, paths[part]);
		if (!file_is_same(&stamps[part], &now))
			return false;
	}
	return true;
}

static void
read_files(const struct credential_kind *kind, char *const paths[CREDENTIAL_PARTS], const struct file_limit *limit,
	struct file files[CREDENTIAL_PARTS], struct credential_reading *reading)
{
	char why[FILE_WHY];

	for (unsigned part = 0; part < CREDENTIAL_PARTS; part++) {
		files[part] = (struct file){ .bytes = NULL };
		if (paths[part] != NULL && !file_read(&files[part], paths[part], kind->most[part], limit, why))
			credential_note(&reading->notes, part, false, "%s", why);
		reading->stamps[part] = files[part].stamp;
	}
}

/* Has one of the files been replaced while others were read? */
static bool
moved(const struct credential_reading *reading, char *const paths[CREDENTIAL_PARTS])
{
	struct file_stamp now;

	for (unsigned part = 0; part < CREDENTIAL_PARTS; part++) {
		if (paths[part] == NULL || (reading->stamps[part].error == 0 && !S_ISREG(reading->stamps[part].mode)))
			continue;
		file_ask(&now, paths[part]);
		if (file_has_changed(&reading->stamps[part], &now))
			return true;
	}
	return false;
}

void
credential_read(const struct credential_kind *kind, char *const paths[CREDENTIAL_PARTS], const struct file_limit *limit,
	struct credential_reading *reading)
{
	struct file files[CREDENTIAL_PARTS];

	for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
		memset(reading, 0, sizeof(*reading));
		read_files(kind, paths, limit, files, reading);
		if (reading->notes.errors == 0)
			reading->content = kind->parse(files, &reading->notes);
		for (unsigned part = 0; part < CREDENTIAL_PARTS; part++)
			file_free(&files[part]);
		if (!moved(reading, paths))
			return;
		if (attempt + 1 < ATTEMPTS && reading->content != NULL)
			kind->free(reading->content);
	}
}

bool
credential_take(struct credential *credential, struct credential_reading *reading)
{
	struct credential_content *content, *former;

	if (reading->content == NULL) {
		credential->is_broken = true;
		memcpy(credential->broken, reading->stamps, sizeof(credential->broken));
		return false;
	}
	content = intern(reading->content);
	reading->content = NULL;
	credential->is_broken = false;
	memcpy(credential->stamps, reading->stamps, sizeof(credential->stamps));
	pthread_mutex_lock(&contents.lock);
	former = atomic_exchange(&credential->content, content);
	pthread_mutex_unlock(&contents.lock);
	credential_drop(former);
	return content != former;
}

/* --- telling -------------------------------------------------------------------------------------------- */

const char *
credential_line(const struct credential *credential, const struct credential_note *note, char to[CREDENTIAL_LINE])
{
	snprintf(to, CREDENTIAL_LINE, "%s %s: %s", credential->kind->parts[note->part], credential->paths[note->part],
		note->text);
	return to;
}

void
credential_report(const struct credential_use *use, const struct credential_notes *notes, struct report *report)
{
	char text[CREDENTIAL_LINE];

	for (unsigned i = 0; i < notes->count; i++) {
		const struct credential_note *note = &notes->list[i];
		const char *file = use->origins[note->part].file;
		unsigned line = use->origins[note->part].line;

		credential_line(use->credential, note, text);
		if (note->warning)
			report_warning(report, file, line, "%s", text);
		else
			report_error(report, file, line, "%s", text);
	}
}

static bool
read_one(const struct credential_use *use, const struct file_limit *limit, struct report *report)
{
	struct credential *credential = use->credential;
	struct credential_reading reading;

	if (atomic_load(&credential->content) != NULL && !credential->is_broken &&
	    credential_is_fresh(credential->stamps, credential->paths)) {
		reading.notes.count = reading.notes.errors = 0;
	} else {
		credential_read(credential->kind, credential->paths, limit, &reading);
		if (reading.notes.errors == 0)
			credential_take(credential, &reading);
	}
	if (reading.notes.errors == 0)
		credential->kind->judge(atomic_load(&credential->content), credential->stamps, &reading.notes);
	credential_report(use, &reading.notes, report);
	return reading.notes.errors == 0;
}

bool
credential_read_all(struct generation *generation, struct report *report)
{
	struct file_limit limit = { .until = weir_now() + PATIENCE };
	bool good = true;

	for (const struct credential_use *use = generation->uses; use != NULL; use = use->next)
		good &= read_one(use, &limit, report);
	return good;
}

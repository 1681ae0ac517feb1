/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credential: what the identities (identity.h) and the trusts (trust.h) of a configuration have in common.
 *
 * A credential is a few files by their paths, and what they held when they were read last: its content. Credentials
 * are process-wide: generations that name the same files share one, so that a file which changes is seen by all of
 * them, and one which did not is not read again. Who uses a content holds it; contents are immutable and interned:
 * two with the same bytes are one, wherever they were read, so that they are compared by their pointers. A content
 * lives until nobody holds it.
 *
 * Credentials belong to the main thread, but for their content, which any thread may hold. Files are read by
 * refresh.h on the helper pool, or where nobody waits for anything else (start-up, `weir -t`) by credential_read_all.
 */
#ifndef WEIR_SERVER_CREDENTIAL_H
#define WEIR_SERVER_CREDENTIAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "file.h"

struct generation;
struct report;
struct weir_build;

enum { CREDENTIAL_PARTS = 3, CREDENTIAL_NOTES = 8, CREDENTIAL_TEXT = 512, CREDENTIAL_DIGEST = 32 };

/* The head of struct identity_content and struct trust_content. */
struct credential_content {
	const struct credential_kind *kind;
	uint8_t digest[CREDENTIAL_DIGEST];	/* SHA-256 of all that is in it, decoded: equal contents, equal digests */
	struct credential_content *next;	/* credential.c's, as the count of references */
	unsigned references;
};

/* What is wrong, or may be: about the file of this part, with the cure. */
struct credential_note {
	unsigned part;
	bool warning;
	char text[CREDENTIAL_TEXT];
};

struct credential_notes {
	unsigned count, errors;
	struct credential_note list[CREDENTIAL_NOTES];
};

struct credential_kind {
	const char *name;			/* "certificate": for logs */
	const char *parts[CREDENTIAL_PARTS];	/* what each file is called; NULL: there are no more */
	size_t most[CREDENTIAL_PARTS];		/* bytes of each file */

	/* From the files' bytes (one that was not named has none) to a content; NULL after adding an error. Any thread. */
	struct credential_content *(*parse)(const struct file files[CREDENTIAL_PARTS], struct credential_notes *);
	/* What to warn of in a good one: it has expired, say. Main thread. */
	void (*judge)(const struct credential_content *, const struct file_stamp stamps[CREDENTIAL_PARTS],
		struct credential_notes *);
	void (*free)(struct credential_content *);
};

/* The head of struct weir_identity and struct weir_trust. */
struct credential {
	const struct credential_kind *kind;
	char *paths[CREDENTIAL_PARTS];		/* NULL: not named */
	_Atomic(struct credential_content *) content;	/* NULL until it was read for the first time */
	struct file_stamp stamps[CREDENTIAL_PARTS];	/* of the files that the content is from */
	struct file_stamp broken[CREDENTIAL_PARTS];	/* and of those that failed since */
	bool is_broken;
	unsigned users;				/* generations and jobs */
	const struct generation *latest;	/* the last one that used it */
	struct credential *next, *next_of_all, **link_of_all;
};

/* What came of reading the files of a credential: a content, or errors. */
struct credential_reading {
	struct credential_content *content;
	struct file_stamp stamps[CREDENTIAL_PARTS];
	struct credential_notes notes;
};

/* One generation's use of a credential, and where the configuration names its files. */
struct credential_use {
	struct credential_use *next;
	struct credential *credential;
	struct {
		const char *file;
		unsigned line;
	} origins[CREDENTIAL_PARTS];
};

/* --- contents: any thread ------------------------------------------------------------------------------- */

/* The content that holds now, held until credential_drop; NULL only before the first build was whole. */
struct credential_content *credential_hold(const struct credential *);
/* The same content once more. */
struct credential_content *credential_hold_again(struct credential_content *);
/* NULL is allowed. */
void credential_drop(struct credential_content *);

/* To be compared with a content that is held, and not to be looked into: it may be gone already. */
const void *credential_peek(const struct credential *);

/* --- building: the main thread -------------------------------------------------------------------------- */

/* The credential with these files (absolute paths, or NULL) for the generation that is being built. The build finds
 * where they are named: in the lines of its section. NULL without memory (then the build fails). */
struct credential *credential_use(struct weir_build *, const struct credential_kind *,
	const char *const paths[CREDENTIAL_PARTS]);

/* Read and parse now all that the generation uses and that is not there yet or has changed. False after reporting
 * what is wrong. Files that say nothing are waited for, for a minute at most. */
bool credential_read_all(struct generation *, struct report *);

/* A generation uses its credentials no more. */
void credential_release(struct generation *);

/* --- for refresh.c -------------------------------------------------------------------------------------- */

/* Do the files look as they did when they were read, or failed? Any thread, with a credential that it uses. */
bool credential_is_fresh(const struct file_stamp stamps[CREDENTIAL_PARTS], char *const paths[CREDENTIAL_PARTS]);

/* Read and parse. Any thread. */
void credential_read(const struct credential_kind *, char *const paths[CREDENTIAL_PARTS], const struct file_limit *,
	struct credential_reading *);

/* Take a reading over, content and all: a good one is the content from now on. True when that is another one. */
bool credential_take(struct credential *, struct credential_reading *);

/* Report what is wrong with the credential of a use, or with its content. */
void credential_report(const struct credential_use *, const struct credential_notes *, struct report *);

/* "the certificate /x.pem: it expired": what a note says. Returns `to`. */
enum { CREDENTIAL_LINE = CREDENTIAL_TEXT + 512 };
const char *credential_line(const struct credential *, const struct credential_note *, char to[CREDENTIAL_LINE]);

struct credential *credential_first(void);	/* of all, by next_of_all */
void credential_acquire(struct credential *);
void credential_let_go(struct credential *);

/* For parse and judge. */
void credential_note(struct credential_notes *, unsigned part, bool warning, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif

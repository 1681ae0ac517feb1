/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file: where lines go, and a buffer for each thread on the way there.
 *
 * A file is on the heap and is shared by all generations that name it: a reload neither closes nor duplicates
 * it. The main thread opens it, opens it anew, and closes it when its last holder is gone; each thread fills
 * and flushes its own buffer.
 */
#ifndef ACCESSLOG_FILE_H
#define ACCESSLOG_FILE_H

#include <pthread.h>
#include <stdalign.h>
#include <stdbool.h>

#include "line.h"

#define FILE_BUFFER ((size_t)64 * 1024)
#define FILE_LINE ((size_t)32 * 1024)	/* the longest line, without the reserve */
#define FILE_LINE_LEAST ((size_t)4096)	/* with less room none is begun */

/* When so much is in a buffer it is written out: room for the longest line is left. */
#define FILE_MARK (FILE_BUFFER - FILE_LINE - LINE_RESERVE)

struct accesslog_buffer {
	alignas(64) size_t used;
	size_t due;			/* when that much is in it, it is time to write */
	uint64_t dropped, errors;	/* not yet reported */
	bool stuck;			/* it is full, and trying to write it has not helped */
	char data[FILE_BUFFER];
};

enum accesslog_kind { FILE_PATH, FILE_STDERR, FILE_SYSLOG };

struct accesslog_file {
	enum accesslog_kind kind;
	int fd;
	const char *path;		/* of FILE_SYSLOG: its socket */
	unsigned holders;		/* the main thread's to count */
	unsigned threads;
	bool streams;			/* a pipe, a terminal, a socket: what might block */
	pthread_mutex_t turn;		/* to write; of the two below as well */
	unsigned torn;			/* thread + 1, the buffer of which begins in the middle of a line; 0: none */
	bool failing;			/* the last write failed */
	struct accesslog_buffer buffers[];
};

/* "stderr", "syslog", "syslog:/path" or a path. NULL, and errno, when it cannot be opened. Main thread, as all
 * here that does not name a thread. */
struct accesslog_file *accesslog_file_open(const char *name, unsigned threads);

/* Is it the file of this name? */
bool accesslog_file_is(const struct accesslog_file *, const char *name);

/* Open it again under its name, behind the same descriptor. False, and errno: it goes on as it is. */
bool accesslog_file_reopen(struct accesslog_file *);

/* Write what is left, close and free. */
void accesslog_file_close(struct accesslog_file **);

/* Begin a line in this thread's buffer; false when there is no room for one: it is then counted as dropped. */
bool accesslog_file_begin(struct accesslog_file *, unsigned thread, struct line *);

/* The line is whole, newline and all. */
void accesslog_file_end(struct accesslog_file *, unsigned thread, const struct line *);

/* Is there no room for another line of some length? */
static inline bool
accesslog_buffer_is_full(const struct accesslog_buffer *buffer)
{
	return buffer->used > FILE_BUFFER - LINE_RESERVE - FILE_LINE_LEAST;
}

/* Is it time to write, before another line is begun? */
static inline bool
accesslog_file_is_due(const struct accesslog_file *file, unsigned thread)
{
	const struct accesslog_buffer *buffer = &file->buffers[thread];

	return buffer->used >= buffer->due || (accesslog_buffer_is_full(buffer) && !buffer->stuck);
}

/* Write out what this thread has, as far as it goes. Returns 1 when writing began to fail (errno says why), -1
 * when it works again, else 0. */
int accesslog_file_flush(struct accesslog_file *, unsigned thread);

#endif

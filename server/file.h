/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file: reading a small file whole, from a helper thread.
 *
 * What is read may be a secret: it is wiped when it is freed. A file may also be a FIFO, which has nothing to say
 * until somebody writes; reading waits for that, but only until a limit, and can be called off. How long a file
 * system takes to answer is beyond us: that is why none of this is for event threads.
 */
#ifndef WEIR_SERVER_FILE_H
#define WEIR_SERVER_FILE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/* What tells one state of a file from another without reading it. */
struct file_stamp {
	dev_t device;
	ino_t inode;
	off_t size;
	mode_t mode;
	struct timespec modified, changed;
	int error;		/* errno where it could not be asked for; 0 */
	bool young;		/* changed so shortly before that the next change might leave the same times */
};

struct file {
	char *bytes;		/* `size` of them, and a NUL */
	size_t size;
	struct file_stamp stamp;
};

/* How long reading may take; both members may be missing. */
struct file_limit {
	int64_t until;			/* weir_now; 0: no limit */
	const atomic_bool *cancelled;	/* set from any thread; NULL: never */
};

enum { FILE_WHY = 320 };

/* Read all of a file of at most `most` bytes. False leaves in `why` what is wrong and what to do. */
bool file_read(struct file *, const char *path, size_t most, const struct file_limit *, char why[FILE_WHY]);

/* Wipe and give back what was read. */
void file_free(struct file *);

/* How the file looks now. */
void file_ask(struct file_stamp *, const char *path);

/* Do these differ? What looks the same may still be another state where a stamp is young, or of no regular file;
 * file_is_same is only true where it cannot. */
bool file_has_changed(const struct file_stamp *, const struct file_stamp *);
bool file_is_same(const struct file_stamp *, const struct file_stamp *);

#endif

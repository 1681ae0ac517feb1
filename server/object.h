/* SPDX-License-Identifier: Apache-2.0 */
/*
 * object: a module's file as it lies on disk, before any of its code runs.
 *
 * The dynamic linker's errors are terse, and libltdl's are worse; what can be told by looking at the file is
 * told in our own words first, with what to do about it.
 */
#ifndef WEIR_SERVER_OBJECT_H
#define WEIR_SERVER_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

/* Which file it is, and in which state: another one in its place, or a change to it, gives another
 * identity. */
struct object_identity {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec modified;
};

bool object_same(const struct object_identity *, const struct object_identity *);

/*
 * Look at the file: NULL when it may be a shared object, else what it is instead ("a folder", …), in a static
 * text. `writable` tells whether every user of the machine may change it.
 */
const char *object_inspect(const char *path, struct object_identity *, bool *writable);

/* The module that the file was built as: the X of X_LTX_weir_module in it. False when there is none. */
bool object_module_name(const char *path, char *to, size_t room);

#endif

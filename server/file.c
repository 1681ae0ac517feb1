/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file: reading a small file whole, from a helper thread.
 */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weir/thread.h>

enum { SLICE = 100, FIRST_ROOM = 4096 };

/* Times of files are those of the clock's last tick; some file systems keep whole seconds, or two. */
enum { YOUNG_SECONDS = 3 };

static void
take_stamp(struct file_stamp *stamp, const struct stat *status)
{
	time_t now = time(NULL);

	*stamp = (struct file_stamp){
		.device = status->st_dev,
		.inode = status->st_ino,
		.size = status->st_size,
		.mode = status->st_mode,
		.modified = status->st_mtim,
		.changed = status->st_ctim,
		.young = status->st_mtim.tv_sec > now - YOUNG_SECONDS ||
			status->st_ctim.tv_sec > now - YOUNG_SECONDS,
	};
}

void
file_ask(struct file_stamp *stamp, const char *path)
{
	struct stat status;

	if (stat(path, &status) == 0)
		take_stamp(stamp, &status);
	else
		*stamp = (struct file_stamp){ .error = errno };
}

static bool
same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool
file_has_changed(const struct file_stamp *a, const struct file_stamp *b)
{
	return a->error != b->error || a->mode != b->mode || a->device != b->device || a->inode != b->inode ||
		a->size != b->size || !same_time(&a->modified, &b->modified) || !same_time(&a->changed, &b->changed);
}

bool
file_is_same(const struct file_stamp *a, const struct file_stamp *b)
{
	bool plain = a->error != 0 || (S_ISREG(a->mode) && !a->young && !b->young);

	return plain && !file_has_changed(a, b);
}

/* --- reading -------------------------------------------------------------------------------------------- */

static const char *
cure(int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
		return "; is the path right?";
	case EACCES:
	case EPERM:
		return "; let the user that Weir runs as read it";
	case EISDIR:
		return "; name a file";
	default:
		return "";
	}
}

static bool
refuse(char why[FILE_WHY], int error)
{
	snprintf(why, FILE_WHY, "cannot be read: %s%s", strerror(error), cure(error));
	return false;
}

/* Wait until there is something to read, or the end of it. */
static bool
wait_for(int fd, const struct file_limit *limit, char why[FILE_WHY])
{
	struct pollfd poll_for = { .fd = fd, .events = POLLIN };
	int ready;

	do {
		ready = poll(&poll_for, 1, SLICE);
		if (ready > 0)
			return true;
		if (ready < 0 && errno != EINTR)
			return refuse(why, errno);
		if (limit->cancelled != NULL && atomic_load(limit->cancelled)) {
			snprintf(why, FILE_WHY, "was not waited for to the end");
			return false;
		}
	} while (limit->until == 0 || weir_now() < limit->until);
	snprintf(why, FILE_WHY, "has not said all of its content in time; who writes it?");
	return false;
}

static bool
grow(struct file *file, size_t *room, size_t most)
{
	size_t wanted = *room == 0 ? FIRST_ROOM : 2 * *room;
	char *bytes;

	if (wanted > most + 2)
		wanted = most + 2;	/* one byte to see that there are too many, and the NUL */
	if ((bytes = malloc(wanted)) == NULL)
		return false;
	if (file->bytes != NULL) {
		memcpy(bytes, file->bytes, file->size);
		explicit_bzero(file->bytes, file->size);
		free(file->bytes);
	}
	file->bytes = bytes;
	*room = wanted;
	return true;
}

static bool
read_all(struct file *file, int fd, size_t most, const struct file_limit *limit, char why[FILE_WHY])
{
	size_t room = 0;
	ssize_t got = 1;

	while (got != 0) {
		if (file->size + 1 >= room && !grow(file, &room, most))
			return refuse(why, ENOMEM);
		if (!wait_for(fd, limit, why))
			return false;
		got = read(fd, file->bytes + file->size, room - 1 - file->size);
		if (got < 0 && errno != EAGAIN && errno != EINTR)
			return refuse(why, errno);
		if (got > 0)
			file->size += (size_t)got;
		if (file->size > most) {
			snprintf(why, FILE_WHY, "is larger than %zu KiB, which no file of this kind should be",
				most / 1024);
			return false;
		}
		got = got < 0 ? 1 : got;
	}
	file->bytes[file->size] = '\0';
	return true;
}

/* The stamp is taken before the first byte is read: what changes meanwhile is seen as a change later. */
static bool
look_at(struct file *file, int fd, char why[FILE_WHY])
{
	struct stat status;

	if (fstat(fd, &status) != 0)
		return refuse(why, errno);
	if (S_ISDIR(status.st_mode))
		return refuse(why, EISDIR);
	take_stamp(&file->stamp, &status);
	return true;
}

bool
file_read(struct file *file, const char *path, size_t most, const struct file_limit *limit, char why[FILE_WHY])
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	bool good;

	*file = (struct file){ .stamp = { .error = fd < 0 ? errno : 0 } };
	if (fd < 0)
		return refuse(why, errno);
	good = look_at(file, fd, why) && read_all(file, fd, most, limit, why);
	close(fd);
	if (!good)
		file_free(file);
	return good;
}

void
file_free(struct file *file)
{
	if (file->bytes != NULL)
		explicit_bzero(file->bytes, file->size);
	free(file->bytes);
	file->bytes = NULL;
	file->size = 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * object: a module's file as it lies on disk, before any of its code runs.
 *
 * The name of the module is found by its bytes in the file, not by walking ELF tables: the string table of
 * a shared object holds it between two NULs, and this is only asked to make an error message better.
 */
#include "object.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Larger files are not searched for a name. */
#define SEARCH_MOST ((off_t)256 * 1024 * 1024)

bool
object_same(const struct object_identity *a, const struct object_identity *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
		a->modified.tv_sec == b->modified.tv_sec && a->modified.tv_nsec == b->modified.tv_nsec;
}

static const char *
inspect_mode(const struct stat *info)
{
	if (S_ISREG(info->st_mode))
		return NULL;
	return S_ISDIR(info->st_mode) ? "a folder, not a file" : "not a regular file";
}

static const char *
inspect_header(int file)
{
	unsigned char head[EI_NIDENT + 4];
	ssize_t count = pread(file, head, sizeof(head), 0);
	const unsigned char own_class = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32;
	uint16_t type;

	if (count < 0)
		return strerror(errno);
	if (count == 0)
		return "an empty file";
	if ((size_t)count < sizeof(head) || memcmp(head, ELFMAG, SELFMAG) != 0)
		return "not a shared object (no ELF header)";
	if (head[EI_CLASS] != own_class)
		return "a shared object for another word size than this Weir's";
	memcpy(&type, head + EI_NIDENT, sizeof(type));
	if (type == ET_REL)
		return "an object file (.o) that was not linked yet";
	return type == ET_DYN ? NULL : "an ELF file, but not a shared object";
}

const char *
object_inspect(const char *path, struct object_identity *identity, bool *writable)
{
	/* Nonblocking: a pipe in the file's place must not hold up the process. */
	int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat info;
	const char *wrong;

	*identity = (struct object_identity){ 0 };
	*writable = false;
	if (file < 0)
		return strerror(errno);
	if (fstat(file, &info) != 0) {
		wrong = strerror(errno);
	} else if ((wrong = inspect_mode(&info)) == NULL && (wrong = inspect_header(file)) == NULL) {
		*identity = (struct object_identity){ info.st_dev, info.st_ino, info.st_size, info.st_mtim };
		*writable = (info.st_mode & S_IWOTH) != 0;
	}
	close(file);
	return wrong;
}

static bool
is_name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Copy the text that ends at `end`, back to the byte that no name has. */
static bool
copy_name_before(const char *start, const char *end, char *to, size_t room)
{
	const char *at = end;

	while (at > start && is_name_byte(at[-1]))
		at--;
	if (at == end || (size_t)(end - at) >= room)
		return false;
	memcpy(to, at, (size_t)(end - at));
	to[end - at] = '\0';
	return true;
}

bool
object_module_name(const char *path, char *to, size_t room)
{
	static const char symbol[] = "_LTX_weir_module";	/* with its NUL */
	int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat info;
	const char *bytes, *hit;
	bool found = false;

	if (file < 0)
		return false;
	if (fstat(file, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0 &&
		info.st_size <= SEARCH_MOST) {
		bytes = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, file, 0);
		if (bytes != MAP_FAILED) {
			hit = memmem(bytes, (size_t)info.st_size, symbol, sizeof(symbol));
			found = hit != NULL && copy_name_before(bytes, hit, to, room);
			munmap((void *)(uintptr_t)bytes, (size_t)info.st_size);
		}
	}
	close(file);
	return found;
}

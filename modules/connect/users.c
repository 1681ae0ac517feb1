/* SPDX-License-Identifier: Apache-2.0 */
/*
 * users: lines of names and passwords, and Basic credentials against them.
 */
#include "users.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define COUNT(list) (sizeof(list) / sizeof(*(list)))

const char *
connect_parse_user(struct weir_build *build, const char *text, void *value)
{
	struct connect_user *user = value;
	size_t length = strlen(text);

	(void)build;
	if (text[0] == ':' || strchr(text, ':') == NULL)
		return "write NAME:PASSWORD";
	if (length >= sizeof(user->text))
		return "name and password are longer than 254 bytes together";
	memset(user, 0, sizeof(*user));
	memcpy(user->text, text, length);
	return NULL;
}

/* One line without its end; false after reporting what is wrong with it. */
static bool
take_line(struct weir_build *build, const char *path, unsigned number, const char *line, struct connect_user *users,
	size_t *count)
{
	const char *why;

	if (line[0] == '\0' || line[0] == '#')
		return true;
	why = *count < CONNECT_USERS_MOST ? connect_parse_user(build, line, &users[*count]) : "there are more than 1000 users";
	if (why == NULL) {
		++*count;
		return true;
	}
	weir_build_error(build, "%s:%u: %s", path, number, why);
	return false;
}

static void
read_lines(struct weir_build *build, const char *path, FILE *file, struct connect_user *users, size_t *count)
{
	char line[CONNECT_CREDENTIALS + 2];

	for (unsigned number = 1; fgets(line, sizeof(line), file) != NULL; number++) {
		size_t length = strcspn(line, "\r\n");

		if (line[length] == '\0' && !feof(file)) {
			weir_build_error(build, "%s:%u: the line is longer than 255 bytes", path, number);
			return;
		}
		line[length] = '\0';
		if (!take_line(build, path, number, line, users, count))
			return;
	}
	if (ferror(file))
		weir_build_error(build, "cannot read %s: %s", path, strerror(errno));
}

/* The shortest line is "a:" and its end. */
static size_t
room_for(off_t size)
{
	return size / 3 + 1 < CONNECT_USERS_MOST ? (size_t)size / 3 + 1 : CONNECT_USERS_MOST;
}

void
connect_read_users(struct weir_build *build, const char *path, struct connect_user **users, size_t *count)
{
	FILE *file = fopen(path, "re");
	struct stat status = { .st_mode = 0 };

	*users = NULL;
	*count = 0;
	if (file == NULL) {
		weir_build_error(build, "cannot read %s: %s", path, strerror(errno));
		return;
	}
	if (fstat(fileno(file), &status) != 0 || !S_ISREG(status.st_mode))
		weir_build_error(build, "%s is no file", path);
	else if ((*users = weir_build_alloc(build, room_for(status.st_size), sizeof(**users))) != NULL)
		read_lines(build, path, file, *users, count);
	if (S_ISREG(status.st_mode) && (status.st_mode & S_IROTH) != 0)
		weir_build_warning(build, "%s has passwords, and everybody may read it: chmod o-r", path);
	fclose(file);
}

/* --- Basic ---------------------------------------------------------------------------------------------------------- */

static int
value_of(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c == '\0' ? NULL : strchr(digits, c);

	return at == NULL ? -1 : (int)(at - digits);
}

/* Base64 (RFC 4648, 4) with or without its padding; how many bytes, -1: it is none or does not fit. */
static int
decode(const char *text, char *to, size_t room)
{
	size_t length = strcspn(text, "="), out = 0;
	uint32_t bits = 0;

	if (length % 4 == 1 || strspn(text + length, "=") != strlen(text + length) || strlen(text + length) > 2)
		return -1;
	for (size_t i = 0; i < length; i++) {
		int value = value_of(text[i]);

		if (value < 0)
			return -1;
		bits = bits << 6 | (uint32_t)value;
		if (i % 4 == 0)
			continue;
		if (out == room)
			return -1;
		to[out++] = (char)(bits >> (6 - 2 * (i % 4)));
	}
	return (int)out;
}

bool
connect_take_credentials(const char *field, struct connect_user *user)
{
	int length;

	memset(user, 0, sizeof(*user));
	if (field == NULL || strncasecmp(field, "Basic ", 6) != 0)
		return false;
	length = decode(field + 6 + strspn(field + 6, " "), user->text, sizeof(user->text) - 1);
	return length > 0 && strlen(user->text) == (size_t)length && strchr(user->text, ':') != NULL;
}

bool
connect_knows(const struct connect_user *users, size_t count, const struct connect_user *user)
{
	unsigned found = 0;

	for (size_t i = 0; i < count; i++) {
		volatile const uint64_t *a = users[i].words, *b = user->words;
		uint64_t differ = 0;

		for (size_t at = 0; at < COUNT(user->words); at++)
			differ |= a[at] ^ b[at];
		found |= differ == 0;
	}
	return found != 0;
}

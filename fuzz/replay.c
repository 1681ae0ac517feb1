/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay: the main of a fuzz target in ordinary builds.
 *
 * Gives the target each file of the folders and files that are named, once, in the order of their names: seeds and past
 * findings stay tests under every compiler and sanitizer, also where there is no libFuzzer. An input lies in
 * a block of its own exact size, so that a sanitizer sees the first byte read past it.
 */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned inputs;

static bool
complain(const char *path)
{
	perror(path);
	return false;
}

static bool
replay_file(const char *path, size_t size)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data = malloc(size);
	bool whole;

	if (file == NULL || (data == NULL && size > 0)) {
		if (file != NULL)
			fclose(file);
		free(data);
		return complain(path);
	}
	whole = fread(data, 1, size, file) == size;
	fclose(file);
	if (whole) {
		LLVMFuzzerTestOneInput(data, size);
		inputs++;
	}
	free(data);
	return whole || complain(path);
}

static int
is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static bool replay(const char *path);

static bool
replay_folder(const char *path)
{
	struct dirent **entries;
	int count = scandir(path, &entries, is_visible, alphasort);
	bool good = count >= 0 || complain(path);

	for (int i = 0; i < count; i++) {
		char *inner = NULL;

		if (asprintf(&inner, "%s/%s", path, entries[i]->d_name) < 0)
			abort();
		good = replay(inner) && good;
		free(inner);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	return good;
}

static bool
replay(const char *path)
{
	struct stat status;

	if (stat(path, &status) != 0)
		return complain(path);
	return S_ISDIR(status.st_mode) ? replay_folder(path) : replay_file(path, (size_t)status.st_size);
}

int
main(int count, char **arguments)
{
	bool good = true;

	for (int i = 1; i < count; i++)
		good = replay(arguments[i]) && good;
	printf("%u inputs\n", inputs);
	return good && inputs > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

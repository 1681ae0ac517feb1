/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lint.h: what cppcheck must know of the macros of libraries whose headers it does not read (make lint).
 */
#define json_array_foreach(array, index, value) \
	for (index = 0; (value = json_array_get(array, index)) != NULL; index++)
#define json_object_foreach(object, key, value) \
	while ((key = json_key(object)) != NULL && (value = json_object_get(object, key)) != NULL)

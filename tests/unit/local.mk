# SPDX-License-Identifier: Apache-2.0
# Units of the core under cmocka: tests/unit/NAME.c is the program's one source, and it links the core's library. One a line,
# sorted. A test that makes calls fail adds its line at the end: tests_unit_NAME_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc

UNIT_TESTS = \
	tests/unit/test_arena \
	tests/unit/test_http1_chunked \
	tests/unit/test_http1_request \
	tests/unit/test_http1_response \
	tests/unit/test_http1_write \
	tests/unit/test_inbox \
	tests/unit/test_log \
	tests/unit/test_message \
	tests/unit/test_slab \
	tests/unit/test_text \
	tests/unit/test_wheel

check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)

tests_unit_test_arena_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc
tests_unit_test_slab_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc
tests_unit_test_wheel_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=clock_gettime
tests_unit_test_log_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=clock_gettime -Wl,--wrap=connect

EXTRA_DIST += tests/unit/http1_scenes.h

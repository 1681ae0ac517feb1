# SPDX-License-Identifier: Apache-2.0
# accesslog: one line for each request.

pkglib_LTLIBRARIES += modules/accesslog/accesslog.la
modules_accesslog_accesslog_la_SOURCES = \
	modules/accesslog/accesslog.c \
	modules/accesslog/file.c \
	modules/accesslog/file.h \
	modules/accesslog/format.c \
	modules/accesslog/format.h \
	modules/accesslog/line.c \
	modules/accesslog/line.h
modules_accesslog_accesslog_la_CPPFLAGS = $(MODULE_CPPFLAGS)
modules_accesslog_accesslog_la_LDFLAGS = $(MODULE_LDFLAGS)
EXTRA_DIST += modules/accesslog/accesslog.ini modules/accesslog/accesslog.md

# The parts alone, and the whole against a fake core.
ACCESSLOG_TESTS = \
	modules/accesslog/test_file \
	modules/accesslog/test_hooks \
	modules/accesslog/test_line
check_PROGRAMS += $(ACCESSLOG_TESTS)
TESTS += $(ACCESSLOG_TESTS)
modules_accesslog_test_hooks_SOURCES = $(modules_accesslog_accesslog_la_SOURCES) modules/accesslog/test_hooks.c
modules_accesslog_test_hooks_LDADD = $(CMOCKA_LIBS)
modules_accesslog_test_file_SOURCES = modules/accesslog/file.c modules/accesslog/line.c modules/accesslog/test_file.c
modules_accesslog_test_file_LDADD = $(CMOCKA_LIBS)
modules_accesslog_test_file_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=write
modules_accesslog_test_line_SOURCES = modules/accesslog/line.c modules/accesslog/test_line.c
modules_accesslog_test_line_LDADD = $(CMOCKA_LIBS)

TESTS += modules/accesslog/test_accesslog.py
EXTRA_DIST += modules/accesslog/test_accesslog.py

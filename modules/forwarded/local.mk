# SPDX-License-Identifier: Apache-2.0
# forwarded: who asked, as trusted proxies tell it and as the origin is told.

pkglib_LTLIBRARIES += modules/forwarded/forwarded.la
modules_forwarded_forwarded_la_SOURCES = \
	modules/forwarded/forwarded.c \
	modules/forwarded/told.c \
	modules/forwarded/told.h
modules_forwarded_forwarded_la_CPPFLAGS = $(MODULE_CPPFLAGS)
modules_forwarded_forwarded_la_LDFLAGS = $(MODULE_LDFLAGS)
EXTRA_DIST += modules/forwarded/forwarded.ini modules/forwarded/forwarded.md

check_PROGRAMS += modules/forwarded/test_forwarded
TESTS += modules/forwarded/test_forwarded
modules_forwarded_test_forwarded_SOURCES = \
	modules/forwarded/forwarded.c \
	modules/forwarded/told.c \
	modules/forwarded/told.h \
	modules/forwarded/test_forwarded.c
modules_forwarded_test_forwarded_CPPFLAGS = $(KIT_CPPFLAGS)
modules_forwarded_test_forwarded_LDADD = $(KIT_LIBS)

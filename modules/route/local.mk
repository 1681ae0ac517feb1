# SPDX-License-Identifier: Apache-2.0
# route: choose the route of a request.

pkglib_LTLIBRARIES += modules/route/route.la
modules_route_route_la_SOURCES = \
	modules/route/hash.h \
	modules/route/index.c \
	modules/route/index.h \
	modules/route/index_build.c \
	modules/route/pattern.c \
	modules/route/pattern.h \
	modules/route/route.c \
	modules/route/table.h
modules_route_route_la_CPPFLAGS = $(MODULE_CPPFLAGS)
modules_route_route_la_LDFLAGS = $(MODULE_LDFLAGS)
EXTRA_DIST += modules/route/route.ini modules/route/route.md

check_PROGRAMS += modules/route/test_index
TESTS += modules/route/test_index
modules_route_test_index_SOURCES = \
	modules/route/index.c \
	modules/route/index_build.c \
	modules/route/pattern.c \
	modules/route/test_index.c \
	modules/route/test_table.h
modules_route_test_index_LDADD = $(CMOCKA_LIBS)

TESTS += modules/route/test_route.py
EXTRA_DIST += modules/route/test_route.py

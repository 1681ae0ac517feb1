# SPDX-License-Identifier: Apache-2.0
# connect: Weir as a forward proxy.

pkglib_LTLIBRARIES += modules/connect/connect.la
modules_connect_connect_la_SOURCES = \
	modules/connect/allow.c \
	modules/connect/allow.h \
	modules/connect/connect.c \
	modules/connect/users.c \
	modules/connect/users.h
modules_connect_connect_la_CPPFLAGS = $(MODULE_CPPFLAGS)
modules_connect_connect_la_LDFLAGS = $(MODULE_LDFLAGS)
EXTRA_DIST += modules/connect/connect.ini modules/connect/connect.md

check_PROGRAMS += modules/connect/test_connect
TESTS += modules/connect/test_connect
modules_connect_test_connect_SOURCES = $(modules_connect_connect_la_SOURCES) modules/connect/test_connect.c
modules_connect_test_connect_CPPFLAGS = $(KIT_CPPFLAGS)
modules_connect_test_connect_LDADD = $(KIT_LIBS)

FUZZ_TARGETS += modules/connect/fuzz_connect
modules_connect_fuzz_connect_SOURCES = \
	modules/connect/allow.c \
	modules/connect/allow.h \
	modules/connect/fuzz_connect.c \
	modules/connect/users.c \
	modules/connect/users.h
modules_connect_fuzz_connect_CPPFLAGS = $(KIT_CPPFLAGS)
modules_connect_fuzz_connect_LDADD = $(FUZZ_LIBS)
EXTRA_DIST += modules/connect/corpus

TESTS += modules/connect/test_forward_proxy.py
EXTRA_DIST += modules/connect/test_forward_proxy.py

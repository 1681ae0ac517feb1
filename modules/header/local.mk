# SPDX-License-Identifier: Apache-2.0
# header: remove, set and add fields.

pkglib_LTLIBRARIES += modules/header/header.la
modules_header_header_la_CPPFLAGS = $(MODULE_CPPFLAGS)
modules_header_header_la_LDFLAGS = $(MODULE_LDFLAGS)
EXTRA_DIST += modules/header/header.ini modules/header/header.md

check_PROGRAMS += modules/header/test_header
TESTS += modules/header/test_header
modules_header_test_header_SOURCES = \
	modules/header/header.c \
	modules/header/test_header.c
modules_header_test_header_CPPFLAGS = $(KIT_CPPFLAGS)
modules_header_test_header_LDADD = $(KIT_LIBS)

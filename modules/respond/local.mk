# SPDX-License-Identifier: Apache-2.0
# respond: answer without an origin.

pkglib_LTLIBRARIES += modules/respond/respond.la
modules_respond_respond_la_CPPFLAGS = $(MODULE_CPPFLAGS)
modules_respond_respond_la_LDFLAGS = $(MODULE_LDFLAGS)
EXTRA_DIST += modules/respond/respond.ini modules/respond/respond.md

check_PROGRAMS += modules/respond/test_respond
TESTS += modules/respond/test_respond
modules_respond_test_respond_SOURCES = \
	modules/respond/respond.c \
	modules/respond/test_respond.c
modules_respond_test_respond_CPPFLAGS = $(KIT_CPPFLAGS)
modules_respond_test_respond_LDADD = $(KIT_LIBS)

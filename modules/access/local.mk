# SPDX-License-Identifier: Apache-2.0
# access: allow and deny by address or certificate.

pkglib_LTLIBRARIES += modules/access/access.la
modules_access_access_la_CPPFLAGS = $(MODULE_CPPFLAGS)
modules_access_access_la_LDFLAGS = $(MODULE_LDFLAGS)
EXTRA_DIST += modules/access/access.ini modules/access/access.md

check_PROGRAMS += modules/access/test_access
TESTS += modules/access/test_access
modules_access_test_access_SOURCES = \
	modules/access/access.c \
	modules/access/test_access.c
modules_access_test_access_CPPFLAGS = $(KIT_CPPFLAGS)
modules_access_test_access_LDADD = $(KIT_LIBS)

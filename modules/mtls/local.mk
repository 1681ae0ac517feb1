# SPDX-License-Identifier: Apache-2.0
# mtls: certificates of clients, and those shown to origins.

pkglib_LTLIBRARIES += modules/mtls/mtls.la
modules_mtls_mtls_la_SOURCES = modules/mtls/client_cert.c modules/mtls/client_cert.h modules/mtls/mtls.c
modules_mtls_mtls_la_CPPFLAGS = $(MODULE_CPPFLAGS)
modules_mtls_mtls_la_LDFLAGS = $(MODULE_LDFLAGS)
EXTRA_DIST += modules/mtls/mtls.ini modules/mtls/mtls.md

check_PROGRAMS += modules/mtls/test_mtls
TESTS += modules/mtls/test_mtls
modules_mtls_test_mtls_SOURCES = \
	modules/mtls/client_cert.c \
	modules/mtls/client_cert.h \
	modules/mtls/mtls.c \
	modules/mtls/test_mtls.c
modules_mtls_test_mtls_CPPFLAGS = $(KIT_CPPFLAGS)
modules_mtls_test_mtls_LDADD = $(KIT_LIBS)

MTLS_SCENES = \
	modules/mtls/test_mtls_clients.py \
	modules/mtls/test_mtls_files.py \
	modules/mtls/test_mtls_origins.py \
	modules/mtls/test_mtls_places.py
TESTS += $(MTLS_SCENES)
EXTRA_DIST += $(MTLS_SCENES)

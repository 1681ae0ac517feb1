# SPDX-License-Identifier: Apache-2.0
# proxy_protocol: who is connected, as a balancer in front tells it.

pkglib_LTLIBRARIES += modules/proxy_protocol/proxy_protocol.la
modules_proxy_protocol_proxy_protocol_la_SOURCES = \
	modules/proxy_protocol/parse.c \
	modules/proxy_protocol/parse.h \
	modules/proxy_protocol/proxy_protocol.c \
	modules/proxy_protocol/write.c \
	modules/proxy_protocol/write.h
modules_proxy_protocol_proxy_protocol_la_CPPFLAGS = $(MODULE_CPPFLAGS)
modules_proxy_protocol_proxy_protocol_la_LDFLAGS = $(MODULE_LDFLAGS)
EXTRA_DIST += modules/proxy_protocol/proxy_protocol.ini modules/proxy_protocol/proxy_protocol.md

check_PROGRAMS += modules/proxy_protocol/test_hooks modules/proxy_protocol/test_parse
TESTS += modules/proxy_protocol/test_hooks modules/proxy_protocol/test_parse
modules_proxy_protocol_test_hooks_SOURCES = $(modules_proxy_protocol_proxy_protocol_la_SOURCES) modules/proxy_protocol/test_hooks.c
modules_proxy_protocol_test_hooks_CPPFLAGS = $(KIT_CPPFLAGS)
modules_proxy_protocol_test_hooks_LDADD = $(KIT_LIBS)
modules_proxy_protocol_test_parse_SOURCES = \
	modules/proxy_protocol/parse.c \
	modules/proxy_protocol/parse.h \
	modules/proxy_protocol/test_parse.c
modules_proxy_protocol_test_parse_CPPFLAGS = $(KIT_CPPFLAGS)
modules_proxy_protocol_test_parse_LDADD = $(KIT_LIBS)

FUZZ_TARGETS += modules/proxy_protocol/fuzz_proxy
modules_proxy_protocol_fuzz_proxy_SOURCES = \
	modules/proxy_protocol/fuzz_proxy.c \
	modules/proxy_protocol/parse.c \
	modules/proxy_protocol/parse.h
modules_proxy_protocol_fuzz_proxy_CPPFLAGS = $(KIT_CPPFLAGS)
modules_proxy_protocol_fuzz_proxy_LDADD = $(FUZZ_LIBS)
EXTRA_DIST += modules/proxy_protocol/corpus

TESTS += modules/proxy_protocol/test_proxy_protocol.py
EXTRA_DIST += modules/proxy_protocol/test_proxy_protocol.py

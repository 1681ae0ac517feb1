# SPDX-License-Identifier: Apache-2.0
# The contract without a server: a module's unit test includes <fake_exchange.h>, compiles the module's sources and links
# tests/kit/libkit.a.

check_LIBRARIES = tests/kit/libkit.a
tests_kit_libkit_a_SOURCES = tests/kit/fake_exchange.c tests/kit/fake_exchange.h tests/kit/fake_stream.c \
	tests/kit/fake_tls.c
tests_kit_libkit_a_CPPFLAGS = $(MODULE_CPPFLAGS)

KIT_CPPFLAGS = $(MODULE_CPPFLAGS) -I$(top_srcdir)/tests/kit $(CMOCKA_CFLAGS)
KIT_LIBS = tests/kit/libkit.a $(CMOCKA_LIBS)

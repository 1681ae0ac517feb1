# SPDX-License-Identifier: Apache-2.0
# cache: keep responses and answer from them. The store and the rules know nothing of Weir and have tests of their own.

cache_store_sources = \
	modules/cache/body.c \
	modules/cache/body.h \
	modules/cache/freshness.h \
	modules/cache/inside.h \
	modules/cache/key.c \
	modules/cache/key.h \
	modules/cache/memory.c \
	modules/cache/memory.h \
	modules/cache/object.c \
	modules/cache/object.h \
	modules/cache/purge.c \
	modules/cache/queue.c \
	modules/cache/queue.h \
	modules/cache/store.c \
	modules/cache/store.h

pkglib_LTLIBRARIES += modules/cache/cache.la
modules_cache_cache_la_SOURCES = $(cache_store_sources) modules/cache/cache.c
modules_cache_cache_la_CPPFLAGS = $(MODULE_CPPFLAGS)
modules_cache_cache_la_LDFLAGS = $(MODULE_LDFLAGS)
EXTRA_DIST += modules/cache/cache.ini modules/cache/cache.md

cache_tests = modules/cache/test_memory modules/cache/test_store
check_PROGRAMS += $(cache_tests)
TESTS += $(cache_tests)
modules_cache_test_memory_SOURCES = modules/cache/memory.c modules/cache/test_memory.c
modules_cache_test_memory_LDADD = $(CMOCKA_LIBS)
modules_cache_test_store_SOURCES = $(cache_store_sources) modules/cache/store_scenes.h modules/cache/test_store.c
modules_cache_test_store_LDADD = $(CMOCKA_LIBS)

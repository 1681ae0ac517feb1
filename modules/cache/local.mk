# SPDX-License-Identifier: Apache-2.0
# cache: keep responses and answer from them. The store and the rules know nothing of Weir and have tests of their own.

cache_store_sources = \
	modules/cache/body.c \
	modules/cache/body.h \
	modules/cache/inside.h \
	modules/cache/key.c \
	modules/cache/key.h \
	modules/cache/memory.c \
	modules/cache/memory.h \
	modules/cache/object.c \
	modules/cache/object.h \
	modules/cache/passing.c \
	modules/cache/purge.c \
	modules/cache/queue.c \
	modules/cache/queue.h \
	modules/cache/store.c \
	modules/cache/store.h \
	modules/cache/whole.c

# What HTTP has caches do: texts in, decisions out.
cache_rule_sources = \
	modules/cache/admit.c \
	modules/cache/admit.h \
	modules/cache/control.c \
	modules/cache/control.h \
	modules/cache/date.c \
	modules/cache/date.h \
	modules/cache/facts.c \
	modules/cache/facts.h \
	modules/cache/freshness.c \
	modules/cache/freshness.h \
	modules/cache/range.c \
	modules/cache/range.h \
	modules/cache/rules.h \
	modules/cache/status.c \
	modules/cache/status.h \
	modules/cache/structured.c \
	modules/cache/structured.h \
	modules/cache/validate.c \
	modules/cache/validate.h \
	modules/cache/vary.c \
	modules/cache/vary.h

# From a stop to the next start.
cache_dump_sources = modules/cache/dump.c modules/cache/dump.h

# What meets requests.
cache_hook_sources = \
	modules/cache/admin.c \
	modules/cache/cache.c \
	modules/cache/fetch.c \
	modules/cache/fill.c \
	modules/cache/flight.c \
	modules/cache/flight.h \
	modules/cache/hooks.h \
	modules/cache/lookup.c \
	modules/cache/options.c \
	modules/cache/serve.c

pkglib_LTLIBRARIES += modules/cache/cache.la
modules_cache_cache_la_SOURCES = $(cache_store_sources) $(cache_rule_sources) $(cache_dump_sources) $(cache_hook_sources)
modules_cache_cache_la_CPPFLAGS = $(MODULE_CPPFLAGS)
modules_cache_cache_la_LDFLAGS = $(MODULE_LDFLAGS)
EXTRA_DIST += modules/cache/cache.ini modules/cache/cache.md

cache_tests = \
	modules/cache/ratio \
	modules/cache/soak \
	modules/cache/test_answers \
	modules/cache/test_body \
	modules/cache/test_dump \
	modules/cache/test_freshness \
	modules/cache/test_memory \
	modules/cache/test_rules \
	modules/cache/test_store \
	modules/cache/test_threads
check_PROGRAMS += $(cache_tests)
TESTS += $(cache_tests)
cache_rule_scenes = $(cache_rule_sources) modules/cache/rule_scenes.h
modules_cache_ratio_SOURCES = $(cache_store_sources) modules/cache/ratio.c
modules_cache_ratio_LDADD = -lm
modules_cache_soak_SOURCES = $(cache_store_sources) modules/cache/soak.c
modules_cache_soak_LDADD =
modules_cache_test_answers_SOURCES = $(cache_rule_scenes) modules/cache/key.c modules/cache/key.h modules/cache/test_answers.c
modules_cache_test_answers_LDADD = $(CMOCKA_LIBS)
modules_cache_test_body_SOURCES = $(cache_store_sources) modules/cache/store_scenes.h modules/cache/test_body.c
modules_cache_test_body_LDADD = $(CMOCKA_LIBS)
modules_cache_test_dump_SOURCES = $(cache_store_sources) $(cache_rule_sources) $(cache_dump_sources) \
	modules/cache/store_scenes.h \
	modules/cache/test_dump.c
modules_cache_test_dump_LDADD = $(CMOCKA_LIBS)
modules_cache_test_freshness_SOURCES = $(cache_rule_scenes) modules/cache/test_freshness.c
modules_cache_test_freshness_LDADD = $(CMOCKA_LIBS)
modules_cache_test_memory_SOURCES = modules/cache/memory.c modules/cache/memory.h modules/cache/test_memory.c
modules_cache_test_memory_LDADD = $(CMOCKA_LIBS)
modules_cache_test_rules_SOURCES = $(cache_rule_scenes) modules/cache/test_rules.c
modules_cache_test_rules_LDADD = $(CMOCKA_LIBS)
modules_cache_test_store_SOURCES = $(cache_store_sources) modules/cache/store_scenes.h modules/cache/test_store.c
modules_cache_test_store_LDADD = $(CMOCKA_LIBS)
modules_cache_test_threads_SOURCES = $(cache_store_sources) modules/cache/store_scenes.h modules/cache/test_threads.c
modules_cache_test_threads_LDADD = $(CMOCKA_LIBS)
TESTS += modules/cache/test_cache.py modules/cache/test_coalescing.py
EXTRA_DIST += modules/cache/test_cache.py modules/cache/test_coalescing.py

FUZZ_TARGETS += modules/cache/fuzz_dump modules/cache/fuzz_rules
EXTRA_DIST += modules/cache/corpus
modules_cache_fuzz_dump_SOURCES = $(cache_store_sources) $(cache_rule_sources) $(cache_dump_sources) modules/cache/fuzz_dump.c
modules_cache_fuzz_dump_LDADD = $(FUZZ_LIBS)
modules_cache_fuzz_rules_SOURCES = $(cache_store_sources) $(cache_rule_sources) modules/cache/fuzz_rules.c
modules_cache_fuzz_rules_LDADD = $(FUZZ_LIBS)

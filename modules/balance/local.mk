# SPDX-License-Identifier: Apache-2.0
# balance: choose the server of an upstream.

pkglib_LTLIBRARIES += modules/balance/balance.la
modules_balance_balance_la_SOURCES = \
	modules/balance/balance.c \
	modules/balance/budget.h \
	modules/balance/check.c \
	modules/balance/check.h \
	modules/balance/health.c \
	modules/balance/health.h \
	modules/balance/lobby.c \
	modules/balance/lobby.h \
	modules/balance/pick.c \
	modules/balance/pick.h \
	modules/balance/reasons.c \
	modules/balance/reasons.h \
	modules/balance/ring.c \
	modules/balance/ring.h \
	modules/balance/search.c \
	modules/balance/search.h \
	modules/balance/show.c \
	modules/balance/show.h \
	modules/balance/sticky.c \
	modules/balance/sticky.h \
	modules/balance/table.c \
	modules/balance/table.h \
	modules/balance/watch.c \
	modules/balance/watch.h
modules_balance_balance_la_CPPFLAGS = $(MODULE_CPPFLAGS)
modules_balance_balance_la_LDFLAGS = $(MODULE_LDFLAGS)
EXTRA_DIST += modules/balance/balance.ini modules/balance/balance.md

# The pure parts alone, and the hooks against a fake core.
check_PROGRAMS += modules/balance/test_hooks modules/balance/test_pick
TESTS += modules/balance/test_hooks modules/balance/test_pick
modules_balance_test_hooks_SOURCES = $(modules_balance_balance_la_SOURCES) \
	modules/balance/fake.h \
	modules/balance/test_hooks.c
modules_balance_test_hooks_LDADD = $(CMOCKA_LIBS)
modules_balance_test_pick_SOURCES = \
	modules/balance/check.c \
	modules/balance/health.c \
	modules/balance/pick.c \
	modules/balance/ring.c \
	modules/balance/sticky.c \
	modules/balance/test_pick.c
modules_balance_test_pick_LDADD = $(CMOCKA_LIBS)

TESTS += modules/balance/test_balance.py
EXTRA_DIST += modules/balance/test_balance.py

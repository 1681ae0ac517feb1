# SPDX-License-Identifier: Apache-2.0
# How tests are run. Unit programs and scripts print TAP, a pytest file does by tests/pytest-tap, and a VTC scene is one case
# that tests/vtc runs: so the harness counts cases.

TEST_EXTENSIONS = .py .vtc
TAP_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh --merge
LOG_DRIVER = $(TAP_DRIVER)
PY_LOG_DRIVER = $(TAP_DRIVER)

# Nothing runs for ever: past its time a test and all that it started is killed, and counts as an error.
LIMIT = timeout --kill-after=10
LOG_COMPILER = $(LIMIT) 300
PY_LOG_COMPILER = $(LIMIT) 900 $(PYTHON) $(top_srcdir)/tests/pytest-tap
VTC_LOG_COMPILER = $(top_srcdir)/tests/vtc

if STATIC_MODULES
TEST_MODULES =
else
TEST_MODULES = $(abs_builddir)/lib
endif

# A sanitizer's finding ends the program, so that the test which met it fails.
AM_TESTS_ENVIRONMENT = \
	WEIR='$(abs_builddir)/weir'; export WEIR; \
	WEIRCTL='$(abs_builddir)/weirctl'; export WEIRCTL; \
	WEIR_MODULES='$(TEST_MODULES)'; export WEIR_MODULES; \
	top_srcdir='$(abs_top_srcdir)'; export top_srcdir; \
	top_builddir='$(abs_top_builddir)'; export top_builddir; \
	CC='$(CC)'; export CC; \
	PYTHON='$(PYTHON)'; export PYTHON; \
	PYTHONDONTWRITEBYTECODE=1; export PYTHONDONTWRITEBYTECODE; \
	VARNISHTEST='$(VARNISHTEST)'; export VARNISHTEST; \
	CMOCKA_MESSAGE_OUTPUT=TAP; export CMOCKA_MESSAGE_OUTPUT; \
	$(fuzz_environment) \
	$(install_environment) \
	ASAN_OPTIONS=abort_on_error=1:detect_stack_use_after_return=1; export ASAN_OPTIONS; \
	UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1; export UBSAN_OPTIONS; \
	TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:suppressions='$(abs_top_srcdir)/tests/tsan.supp'; export TSAN_OPTIONS;

# Where make install puts things, for the scene that installs into a folder; the modules as they are found there.
install_environment = \
	sbindir='$(sbindir)'; bindir='$(bindir)'; libdir='$(libdir)'; includedir='$(includedir)'; export sbindir bindir libdir includedir; \
	datadir='$(datadir)'; sysconfdir='$(sysconfdir)'; mandir='$(mandir)'; export datadir sysconfdir mandir; \
	INSTALLED_MODULES=`test -z '$(TEST_MODULES)' || for module in $(pkglib_LTLIBRARIES); do basename $$module .la; done`; \
	export INSTALLED_MODULES;

TESTS += tests/tree tests/exports tests/third-party/check
EXTRA_DIST += tests/tsan.supp tests/lint.h tests/tree tests/exports tests/pytest-tap tests/testssl tests/vtc tests/third-party/check

include tests/unit/local.mk
include tests/e2e/local.mk

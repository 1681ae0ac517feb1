dnl SPDX-License-Identifier: Apache-2.0
dnl
dnl The checks of configure.ac, each a macro: flags, sanitizers, dependencies, test tools, and the ABI's number.

dnl WEIR_TRY_FLAGS(VARIABLE, FLAG...): append each flag that the compiler takes without a word.
AC_DEFUN([WEIR_TRY_FLAGS], [
	for weir_flag in m4_normalize([$2]); do
		weir_saved=$CFLAGS
		CFLAGS="$CFLAGS -Werror $weir_flag"
		AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <string.h>]], [[]])], [$1="$$1 $weir_flag"])
		CFLAGS=$weir_saved
	done
	AC_SUBST([$1])
])

dnl Warnings, hardening and visibility. CFLAGS, CPPFLAGS and LDFLAGS stay the builder's.
AC_DEFUN([WEIR_COMPILER_FLAGS], [
	AC_MSG_CHECKING([which flags the compiler takes])
	WEIR_TRY_FLAGS([WARN_CFLAGS], [-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith
		-Wvla -Wformat-security])
	AS_IF([test "$enable_werror" != no], [WARN_CFLAGS="$WARN_CFLAGS -Werror"])
	WEIR_TRY_FLAGS([HARDEN_CFLAGS], [-fstack-protector-strong -fstack-clash-protection -fcf-protection])
	WEIR_TRY_FLAGS([HARDEN_LDFLAGS], [-Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack])
	AS_IF([test "$enable_sanitizers" = no && test "$enable_fuzzing" = no],
		[WEIR_TRY_FLAGS([HARDEN_CPPFLAGS], [-D_FORTIFY_SOURCE=2])])
	AC_SUBST([HARDEN_CPPFLAGS])
	AC_MSG_RESULT([done])

	dnl A module is a shared object and nothing else; in a static build it is a part of the binary. Makefile.am adds -module.
	AS_IF([test "$enable_shared" != no], [MODULE_LINK=-shared])
	AC_SUBST([MODULE_LINK])
	AC_SUBST([MODULE_LDFLAGS])
])

AC_DEFUN([WEIR_SANITIZERS], [
	AS_CASE([$enable_sanitizers],
		[yes], [enable_sanitizers=address,undefined],
		[*thread*address*|*address*thread*], [AC_MSG_ERROR([thread and address do not go together: build twice])])
	AS_IF([test "$enable_sanitizers" != no], [
		SANITIZE_CFLAGS="-fsanitize=$enable_sanitizers -fno-sanitize-recover=all -fno-omit-frame-pointer"
		weir_saved=$CFLAGS
		CFLAGS="$CFLAGS $SANITIZE_CFLAGS"
		AC_LINK_IFELSE([AC_LANG_PROGRAM([[]], [[]])], [],
			[AC_MSG_ERROR([$CC cannot build with -fsanitize=$enable_sanitizers (Debian: libgcc-12-dev for gcc, libclang-rt-14-dev for clang)])])
		CFLAGS=$weir_saved
	])
	AC_SUBST([SANITIZE_CFLAGS])
])

dnl With --enable-fuzzing all code is instrumented and the targets get libFuzzer's main; without it, fuzz/replay.c's.
AC_DEFUN([WEIR_FUZZING], [
	AS_IF([test "$enable_fuzzing" != no], [
		weir_saved=$CFLAGS
		CFLAGS="$CFLAGS -fsanitize=fuzzer"
		AC_LINK_IFELSE([AC_LANG_SOURCE([[int LLVMFuzzerTestOneInput(const char *, unsigned long);
int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { (void)d; (void)n; return 0; }]])], [],
			[AC_MSG_ERROR([libFuzzer is missing: use CC=clang (Debian: clang, libclang-rt-14-dev)])])
		CFLAGS=$weir_saved
		SANITIZE_CFLAGS="$SANITIZE_CFLAGS -fsanitize=fuzzer-no-link"
	])
	AC_SUBST([FUZZING], [$enable_fuzzing])
	AC_SUBST([FUZZ_ENGINE], [-fsanitize=fuzzer])
	AM_CONDITIONAL([FUZZING], [test "$enable_fuzzing" != no])
])

dnl WEIR_PKG(PREFIX, MODULES, NAME, DEBIAN-PACKAGE)
AC_DEFUN([WEIR_PKG], [
	PKG_CHECK_MODULES([$1], [$2], [], [AC_MSG_ERROR([$3 is missing (Debian: $4)])])
])

AC_DEFUN([WEIR_LTDL], [
	AC_CHECK_HEADER([ltdl.h], [], [AC_MSG_ERROR([libltdl 2.4 is missing (Debian: libltdl-dev)])])
	weir_saved=$LIBS
	AC_CHECK_LIB([ltdl], [lt_dlloader_add], [LTDL_LIBS=-lltdl],
		[AC_MSG_ERROR([libltdl 2.4 is missing (Debian: libltdl-dev)])])
	LIBS=$weir_saved
	AC_SUBST([LTDL_LIBS])
])

dnl Tests need more than the build does. What is missing is said here, and again as a failure by make check.
AC_DEFUN([WEIR_TEST_TOOLS], [
	PKG_CHECK_MODULES([CMOCKA], [cmocka >= 1.1.5], [have_cmocka=yes],
		[have_cmocka=no; AC_MSG_WARN([cmocka is missing (Debian: libcmocka-dev): make check will fail])])
	AC_ARG_VAR([PYTHON], [Python 3 that has pytest, for the tests])
	AS_IF([test -z "$PYTHON"], [PYTHON=/usr/bin/python3])
	AC_MSG_CHECKING([for pytest of $PYTHON])
	AS_IF([$PYTHON -c 'import pytest' >/dev/null 2>&1], [have_pytest=yes], [have_pytest=no])
	AC_MSG_RESULT([$have_pytest])
	AS_IF([test $have_pytest = no], [AC_MSG_WARN([pytest is missing (Debian: python3-pytest): make check will fail])])
	AS_IF([$PYTHON -c 'import cryptography' >/dev/null 2>&1], [],
		[AC_MSG_WARN([Python's cryptography is missing (Debian: python3-cryptography): make check will fail])])
	AS_IF([openssl version >/dev/null 2>&1], [], [AC_MSG_WARN([openssl is missing (Debian: openssl): make check will fail])])
	AS_IF([gnutls-cli --version >/dev/null 2>&1], [],
		[AC_MSG_WARN([gnutls-cli is missing (Debian: gnutls-bin): make check will fail])])
	AS_IF([tinyproxy -v >/dev/null 2>&1], [], [AC_MSG_WARN([tinyproxy is missing (Debian: tinyproxy): make check will fail])])
	AS_IF([PATH=$PATH:/usr/sbin squid -v >/dev/null 2>&1], [],
		[AC_MSG_WARN([squid is missing (Debian: squid): make check will fail])])
	AC_PATH_PROG([VARNISHTEST], [varnishtest], [no])
	AS_IF([test "$VARNISHTEST" = no],
		[have_varnishtest=no; AC_MSG_WARN([varnishtest is missing (Debian: varnish): make check will fail])],
		[have_varnishtest=yes])
	AC_SUBST([CPPCHECK], [cppcheck])
])

dnl The ABI's number has one home, include/weir/api.h.
AC_DEFUN([WEIR_READ_ABI], [
	WEIR_ABI_MAJOR=`$SED -n 's/^#define WEIR_ABI_MAJOR //p' "$srcdir/include/weir/api.h"`
	WEIR_ABI_MINOR=`$SED -n 's/^#define WEIR_ABI_MINOR //p' "$srcdir/include/weir/api.h"`
	WEIR_ABI=$WEIR_ABI_MAJOR.$WEIR_ABI_MINOR
	AS_CASE([$WEIR_ABI], [@<:@0-9@:>@*.@<:@0-9@:>@*], [], [AC_MSG_ERROR([no ABI number in include/weir/api.h])])
	AC_SUBST([WEIR_ABI_MAJOR])
	AC_SUBST([WEIR_ABI])
	AC_SUBST([CONFIG_STATUS_DEPENDENCIES], ['$(top_srcdir)/include/weir/api.h'])
])

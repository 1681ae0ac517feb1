dnl SPDX-License-Identifier: Apache-2.0
dnl
dnl weir.m4: for configure scripts of modules of other authors.

# WEIR_CHECK_MODULE([ABI-MAJOR])
# ------------------------------
# Find Weir by pkg-config and check that its ABI has this major number (default: whatever it has). Substitutes
# WEIR_CFLAGS, and moduledir, where NAME.so is installed.
#
# Makefile.am then needs:
#	module_LTLIBRARIES = NAME.la
#	NAME_la_SOURCES = NAME.c
#	NAME_la_CPPFLAGS = $(WEIR_CFLAGS)
#	NAME_la_LDFLAGS = -module -avoid-version -shared
AC_DEFUN([WEIR_CHECK_MODULE], [
	AC_REQUIRE([PKG_PROG_PKG_CONFIG])
	PKG_CHECK_MODULES([WEIR], [weir], [], [AC_MSG_ERROR([weir.pc is missing: install Weir, or set PKG_CONFIG_PATH])])
	PKG_CHECK_VAR([weir_abi_major], [weir], [abi_major])
	m4_ifval([$1], [AS_IF([test "$weir_abi_major" != "$1"],
		[AC_MSG_ERROR([this module is written for Weir's ABI $1; Weir here has $weir_abi_major])])])
	AC_ARG_WITH([moduledir], [AS_HELP_STRING([--with-moduledir=DIR], [where the module goes @<:@Weir's own@:>@])],
		[moduledir=$withval], [PKG_CHECK_VAR([moduledir], [weir], [moduledir])])
	AC_SUBST([moduledir])
])

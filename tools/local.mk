# SPDX-License-Identifier: Apache-2.0
# Programs beside the server. weirctl knows the admin socket and nothing of the core: it links JSON only.

bin_PROGRAMS += weirctl
weirctl_SOURCES = \
	tools/call.c \
	tools/call.h \
	tools/show.c \
	tools/show.h \
	tools/weirctl.c
weirctl_LDADD = $(JANSSON_LIBS)

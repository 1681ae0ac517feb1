# SPDX-License-Identifier: Apache-2.0
# The core: a library that the server, the unit tests and the fuzz targets link. One source a line, sorted; main.c is not of it.

noinst_LIBRARIES += libweircore.a
libweircore_a_SOURCES = \
	server/arena.c \
	server/arena.h \
	server/config.h \
	server/generation.h \
	server/http1.h \
	server/message.h \
	server/report.h \
	server/settings.h \
	server/slab.c \
	server/slab.h \
	server/template.h

CORE_LIBS = $(EVENT_LIBS) $(INIH_LIBS) $(JANSSON_LIBS) $(LTDL_LIBS)

# SPDX-License-Identifier: Apache-2.0
# The core: a library that the server, the unit tests and the fuzz targets link. One source a line, sorted; main.c is not of it.

noinst_LIBRARIES += libweircore.a
libweircore_a_SOURCES = \
	server/arena.c \
	server/arena.h \
	server/buffer.c \
	server/buffer.h \
	server/clock.c \
	server/config.h \
	server/counter.h \
	server/generation.h \
	server/http1.h \
	server/inbox.c \
	server/inbox.h \
	server/listener.h \
	server/log.h \
	server/message.c \
	server/message.h \
	server/offload.c \
	server/offload.h \
	server/option.h \
	server/process.h \
	server/report.h \
	server/resolver.h \
	server/settings.h \
	server/slab.c \
	server/slab.h \
	server/status.c \
	server/status.h \
	server/template.h \
	server/text.c \
	server/text.h \
	server/thread.h \
	server/wait.h \
	server/wheel.c \
	server/wheel.h

CORE_LIBS = $(EVENT_LIBS) $(INIH_LIBS) $(JANSSON_LIBS) $(LTDL_LIBS)

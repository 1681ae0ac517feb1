# SPDX-License-Identifier: Apache-2.0
# The core: a library that the server, the unit tests and the fuzz targets link. One source a line, sorted; main.c is not of it.

noinst_LIBRARIES += libweircore.a
libweircore_a_SOURCES = \
	server/address.c \
	server/address.h \
	server/arena.c \
	server/arena.h \
	server/buffer.c \
	server/buffer.h \
	server/chain.c \
	server/chain.h \
	server/clock.c \
	server/config.c \
	server/config.h \
	server/contract.c \
	server/contract.h \
	server/counter.h \
	server/generation.h \
	server/http1.h \
	server/http1_chunked.c \
	server/http1_cursor.c \
	server/http1_cursor.h \
	server/http1_request.c \
	server/http1_response.c \
	server/http1_section.c \
	server/http1_section.h \
	server/http1_write.c \
	server/inbox.c \
	server/inbox.h \
	server/ini.c \
	server/ini.h \
	server/listener.h \
	server/loader.c \
	server/loader.h \
	server/log.c \
	server/log.h \
	server/message.c \
	server/message.h \
	server/object.c \
	server/object.h \
	server/offload.c \
	server/offload.h \
	server/option.c \
	server/option.h \
	server/option_check.c \
	server/option_key.c \
	server/option_key.h \
	server/option_print.c \
	server/option_values.c \
	server/order.c \
	server/order.h \
	server/process.h \
	server/report.c \
	server/report.h \
	server/resolver.h \
	server/search.c \
	server/search.h \
	server/settings.c \
	server/settings.h \
	server/slab.c \
	server/slab.h \
	server/status.c \
	server/status.h \
	server/target.c \
	server/target.h \
	server/template.c \
	server/template.h \
	server/text.c \
	server/text.h \
	server/thread.h \
	server/value.c \
	server/value.h \
	server/wait.h \
	server/wheel.c \
	server/wheel.h

CORE_LIBS = $(EVENT_LIBS) $(INIH_LIBS) $(JANSSON_LIBS) $(LTDL_LIBS)

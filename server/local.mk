# SPDX-License-Identifier: Apache-2.0
# The core: a library that the server, the unit tests and the fuzz targets link. One source a line, sorted; main.c is not of it.

noinst_LIBRARIES += libweircore.a
libweircore_a_SOURCES = \
	server/address.c \
	server/address.h \
	server/admin.c \
	server/admin.h \
	server/admin_calls.c \
	server/admin_calls.h \
	server/admin_routing.c \
	server/admin_routing.h \
	server/admin_send.c \
	server/admin_send.h \
	server/admit.c \
	server/admit.h \
	server/answer.c \
	server/arena.c \
	server/arena.h \
	server/body.c \
	server/body.h \
	server/buffer.c \
	server/buffer.h \
	server/build.c \
	server/chain.c \
	server/chain.h \
	server/client.c \
	server/client.h \
	server/clock.c \
	server/command.c \
	server/command.h \
	server/config.c \
	server/config.h \
	server/config_file.c \
	server/contract.c \
	server/contract.h \
	server/counter.h \
	server/credential.c \
	server/credential.h \
	server/dial.c \
	server/dial.h \
	server/difference.c \
	server/difference.h \
	server/digest.h \
	server/dns.c \
	server/dns.h \
	server/download.c \
	server/establish.c \
	server/establish.h \
	server/exchange.c \
	server/exchange.h \
	server/farewell.c \
	server/farewell.h \
	server/file.c \
	server/file.h \
	server/filter.c \
	server/generation.c \
	server/generation.h \
	server/generation_print.c \
	server/hello.c \
	server/hello.h \
	server/hosts.c \
	server/hosts.h \
	server/hot.c \
	server/hot.h \
	server/http1.h \
	server/http1_chunked.c \
	server/http1_cursor.c \
	server/http1_cursor.h \
	server/http1_end.c \
	server/http1_request.c \
	server/http1_response.c \
	server/http1_section.c \
	server/http1_section.h \
	server/http1_write.c \
	server/identity.c \
	server/identity.h \
	server/inbox.c \
	server/inbox.h \
	server/ini.c \
	server/ini.h \
	server/key.c \
	server/key.h \
	server/linker.c \
	server/linker.h \
	server/listener.c \
	server/listener.h \
	server/loader.c \
	server/loader.h \
	server/log.c \
	server/log.h \
	server/manual.c \
	server/manual.h \
	server/message.c \
	server/message.h \
	server/metrics.c \
	server/metrics.h \
	server/name.c \
	server/name.h \
	server/notify.c \
	server/notify.h \
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
	server/origin.c \
	server/outlet.c \
	server/outlet.h \
	server/overlay.c \
	server/overlay.h \
	server/own.c \
	server/passthrough.c \
	server/peer.c \
	server/pem.c \
	server/pem.h \
	server/pool.c \
	server/pool.h \
	server/privilege.c \
	server/privilege.h \
	server/process.c \
	server/process.h \
	server/rate.c \
	server/reading.c \
	server/reading.h \
	server/refresh.c \
	server/refresh.h \
	server/relay.c \
	server/reload.c \
	server/reload.h \
	server/reply.c \
	server/reply.h \
	server/report.c \
	server/report.h \
	server/resolver.c \
	server/resolver.h \
	server/resolver_entry.c \
	server/resolver_entry.h \
	server/routing_edit.c \
	server/routing_edit.h \
	server/search.c \
	server/search.h \
	server/section.c \
	server/section.h \
	server/section_json.c \
	server/section_json.h \
	server/settings.c \
	server/settings.h \
	server/slab.c \
	server/slab.h \
	server/slot.c \
	server/slot.h \
	server/sockets.c \
	server/source.c \
	server/state.c \
	server/state.h \
	server/status.c \
	server/status.h \
	server/takeover.c \
	server/takeover.h \
	server/target.c \
	server/target.h \
	server/template.c \
	server/template.h \
	server/text.c \
	server/text.h \
	server/thread.c \
	server/thread.h \
	server/tls.c \
	server/tls.h \
	server/tls_client.c \
	server/tls_client.h \
	server/trust.c \
	server/trust.h \
	server/tunnel.c \
	server/upgrade.c \
	server/upgrade.h \
	server/upload.c \
	server/upstream.c \
	server/upstream.h \
	server/value.c \
	server/value.h \
	server/variable.c \
	server/view.c \
	server/wait.c \
	server/wait.h \
	server/wheel.c \
	server/wheel.h \
	server/wire.c \
	server/wire.h

CORE_LIBS = $(EVENT_LIBS) $(GNUTLS_LIBS) $(INIH_LIBS) $(JANSSON_LIBS) $(LTDL_LIBS)

# The server takes all of the library, also what only modules call, and lets them see the contract's symbols and no others.
sbin_PROGRAMS += weir
weir_SOURCES = server/main.c
weir_LDFLAGS = $(AM_LDFLAGS) -export-dynamic -Wl,--whole-archive,libweircore.a,--no-whole-archive
weir_LDADD = $(PRELOADED) $(CORE_LIBS)
if STATIC_MODULES
weir_CPPFLAGS = $(AM_CPPFLAGS) -DWEIR_STATIC_MODULES
PRELOADED = -dlpreopen force $(pkglib_LTLIBRARIES:%=-dlpreopen %)
weir_DEPENDENCIES = libweircore.a $(pkglib_LTLIBRARIES)
else
weir_CPPFLAGS = $(AM_CPPFLAGS)
weir_DEPENDENCIES = libweircore.a
endif

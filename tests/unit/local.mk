# SPDX-License-Identifier: Apache-2.0
# Units of the core under cmocka: tests/unit/NAME.c is the program's one source, and it links the core's library. One a line,
# sorted. A test that makes calls fail adds its line at the end: tests_unit_NAME_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc

UNIT_TESTS = \
	tests/unit/test_address \
	tests/unit/test_admit \
	tests/unit/test_admin_calls \
	tests/unit/test_arena \
	tests/unit/test_body \
	tests/unit/test_buffer \
	tests/unit/test_certificate \
	tests/unit/test_chain \
	tests/unit/test_command \
	tests/unit/test_config \
	tests/unit/test_courtesy \
	tests/unit/test_dial \
	tests/unit/test_establish \
	tests/unit/test_exchange \
	tests/unit/test_gathered \
	tests/unit/test_generation \
	tests/unit/test_hello \
	tests/unit/test_http1_chunked \
	tests/unit/test_http1_end \
	tests/unit/test_http1_plain \
	tests/unit/test_http1_request \
	tests/unit/test_http1_response \
	tests/unit/test_http1_write \
	tests/unit/test_identity \
	tests/unit/test_inbox \
	tests/unit/test_ini \
	tests/unit/test_key \
	tests/unit/test_listener \
	tests/unit/test_loader \
	tests/unit/test_log \
	tests/unit/test_message \
	tests/unit/test_notify \
	tests/unit/test_offload \
	tests/unit/test_option \
	tests/unit/test_option_print \
	tests/unit/test_outlet \
	tests/unit/test_overlay \
	tests/unit/test_own \
	tests/unit/test_pool \
	tests/unit/test_reply \
	tests/unit/test_report \
	tests/unit/test_resolver \
	tests/unit/test_routing_table \
	tests/unit/test_settings \
	tests/unit/test_shown \
	tests/unit/test_slab \
	tests/unit/test_sockets \
	tests/unit/test_template \
	tests/unit/test_text \
	tests/unit/test_thread \
	tests/unit/test_ticket \
	tests/unit/test_trust \
	tests/unit/test_tls \
	tests/unit/test_tls_client \
	tests/unit/test_tunnel \
	tests/unit/test_turn \
	tests/unit/test_variable \
	tests/unit/test_view \
	tests/unit/test_wait \
	tests/unit/test_wheel \
	tests/unit/test_wire

check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)

# Event threads that stand still: the scene turns their loops itself, and makes time pass (still_threads.h).
STILL_THREADS = -Wl,--wrap=pthread_create -Wl,--wrap=pthread_join -Wl,--wrap=clock_gettime

tests_unit_test_admit_LDFLAGS = $(AM_LDFLAGS) $(STILL_THREADS) -Wl,--wrap=malloc
tests_unit_test_arena_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc
tests_unit_test_buffer_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=recv
tests_unit_test_command_CPPFLAGS = $(FIXTURE_CPPFLAGS)
tests_unit_test_command_LDFLAGS = $(AM_LDFLAGS) -export-dynamic
tests_unit_test_config_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc
tests_unit_test_courtesy_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=clock_gettime -Wl,--wrap=sched_yield
tests_unit_test_dial_LDFLAGS = $(AM_LDFLAGS) $(STILL_THREADS) -Wl,--wrap=calloc -Wl,--wrap=connect -Wl,--wrap=event_add -Wl,--wrap=exchange_connected \
	-Wl,--wrap=exchange_unconnected -Wl,--wrap=resolver_cached -Wl,--wrap=resolver_cancel -Wl,--wrap=resolver_lookup -Wl,--wrap=resolver_prefer
tests_unit_test_establish_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=event_add -Wl,--wrap=send
tests_unit_test_exchange_LDFLAGS = $(AM_LDFLAGS) $(STILL_THREADS)
tests_unit_test_gathered_LDFLAGS = $(AM_LDFLAGS) $(STILL_THREADS)
tests_unit_test_generation_CPPFLAGS = $(FIXTURE_CPPFLAGS)
tests_unit_test_generation_LDFLAGS = $(AM_LDFLAGS) -export-dynamic
tests_unit_test_key_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=calloc
tests_unit_test_listener_LDFLAGS = $(AM_LDFLAGS) $(STILL_THREADS) -Wl,--wrap=accept4 -Wl,--wrap=calloc
tests_unit_test_loader_CPPFLAGS = $(FIXTURE_CPPFLAGS)
tests_unit_test_loader_LDFLAGS = $(AM_LDFLAGS) -export-dynamic
tests_unit_test_log_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=clock_gettime -Wl,--wrap=connect
tests_unit_test_offload_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=pthread_create
tests_unit_test_outlet_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=send -Wl,--wrap=sendmsg
tests_unit_test_own_LDFLAGS = $(AM_LDFLAGS) $(STILL_THREADS)
tests_unit_test_pool_LDFLAGS = $(AM_LDFLAGS) $(STILL_THREADS) -Wl,--wrap=malloc -Wl,--wrap=calloc
tests_unit_test_report_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc
tests_unit_test_resolver_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=clock_gettime
tests_unit_test_slab_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc
tests_unit_test_sockets_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=bind -Wl,--wrap=calloc -Wl,--wrap=malloc
tests_unit_test_thread_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=calloc -Wl,--wrap=malloc -Wl,--wrap=pthread_create
tests_unit_test_tunnel_LDFLAGS = $(AM_LDFLAGS) $(STILL_THREADS)
tests_unit_test_variable_LDFLAGS = $(AM_LDFLAGS) $(STILL_THREADS)
tests_unit_test_view_LDFLAGS = $(AM_LDFLAGS) $(STILL_THREADS)
tests_unit_test_wait_LDFLAGS = $(AM_LDFLAGS) $(STILL_THREADS) -Wl,--wrap=calloc -Wl,--wrap=exchange_resume -Wl,--wrap=exchange_wait_expired -Wl,--wrap=thread_current
tests_unit_test_shown_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc -Wl,--wrap=calloc
tests_unit_test_wheel_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=clock_gettime
tests_unit_test_wire_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=event_add

# Modules with something wrong with them, which tests load from FIXTURES. One is linked with a library that is then taken away.
FIXTURES = abi_major abi_minor alias dependent entries good malformed matcher nameless nosymbol probe renamed \
	rival strict stumbler tomorrow too_large too_small unlinked
FIXTURE_CPPFLAGS = $(AM_CPPFLAGS) -DFIXTURES='"$(abs_builddir)/tests/unit/modules"'
FIXTURE_LINK = $(CC) -std=c11 $(MODULE_CPPFLAGS) $(CPPFLAGS) $(CFLAGS) $(SANITIZE_CFLAGS) -fPIC -shared
check_DATA = $(FIXTURES:%=tests/unit/modules/%.so)

tests/unit/modules/%.so: $(srcdir)/tests/unit/modules/%.c $(pkginclude_HEADERS)
	$(AM_V_CCLD)$(MKDIR_P) $(@D) && $(FIXTURE_LINK) -fvisibility=hidden -o $@ $<
tests/unit/modules/dependent.so: tests/unit/modules/dependent.c tests/unit/modules/vanished.c $(pkginclude_HEADERS)
	$(AM_V_CCLD)$(MKDIR_P) $(@D) && $(FIXTURE_LINK) -o $(@D)/vanished.so $(srcdir)/tests/unit/modules/vanished.c
	$(AM_V_at)$(FIXTURE_LINK) -fvisibility=hidden -o $@ $(srcdir)/tests/unit/modules/dependent.c -L$(@D) -l:vanished.so
	$(AM_V_at)rm -f $(@D)/vanished.so

CLEANFILES += tests/unit/modules/*.so
EXTRA_DIST += $(FIXTURES:%=tests/unit/modules/%.c) tests/unit/modules/vanished.c

UNIT_HELPERS = \
	tests/unit/bare_thread.h \
	tests/unit/certificates.h \
	tests/unit/config_scenes.h \
	tests/unit/core_scenes.h \
	tests/unit/exchange_scenes.h \
	tests/unit/http1_scenes.h \
	tests/unit/option_scenes.h \
	tests/unit/peers.h \
	tests/unit/said.h \
	tests/unit/still_threads.h
EXTRA_DIST += $(UNIT_HELPERS)

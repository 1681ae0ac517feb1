# SPDX-License-Identifier: Apache-2.0
# Scenes against the real binary: pytest for processes, files and load, VTC where clients and origins speak bytes. One a line,
# sorted. They get $WEIR, $WEIRCTL and $WEIR_MODULES (the folder for -M; empty when all modules are in the binary).

E2E_TESTS = \
	tests/e2e/http_bodies.vtc \
	tests/e2e/http_interim.vtc \
	tests/e2e/http_keepalive.vtc \
	tests/e2e/http_pooled.vtc \
	tests/e2e/http_upgrade.vtc \
	tests/e2e/test_admin_api.py \
	tests/e2e/test_admin_hostile.py \
	tests/e2e/test_bodies.py \
	tests/e2e/test_farewells.py \
	tests/e2e/test_generations.py \
	tests/e2e/test_guards.py \
	tests/e2e/test_http_chaos.py \
	tests/e2e/test_http_endings.py \
	tests/e2e/test_http_hostile.py \
	tests/e2e/test_http_limits.py \
	tests/e2e/test_http_peers.py \
	tests/e2e/test_http_streams.py \
	tests/e2e/test_http_upstreams.py \
	tests/e2e/test_operator.py \
	tests/e2e/test_passthrough.py \
	tests/e2e/test_phases.py \
	tests/e2e/test_pooling.py \
	tests/e2e/test_process.py \
	tests/e2e/test_routing.py \
	tests/e2e/test_services.py \
	tests/e2e/test_streaming.py \
	tests/e2e/test_tls.py \
	tests/e2e/test_tls_checks.py \
	tests/e2e/test_tls_origins.py \
	tests/e2e/test_tools.py \
	tests/e2e/test_turns.py \
	tests/e2e/test_upgrade.py \
	tests/e2e/test_upgrade_storm.py \
	tests/e2e/test_waits.py \
	tests/e2e/test_weirctl.py

E2E_HELPERS = \
	tests/e2e/certificates.py \
	tests/e2e/proxies.py \
	tests/e2e/scene.py \
	tests/e2e/wire.py

TESTS += $(E2E_TESTS)
EXTRA_DIST += $(E2E_TESTS) $(E2E_HELPERS)

# Modules on the public contract that do as a scene's requests order; also what makes calls of the system fail.
SCENE_MODULES = eager meddler probe shaper streamer trailing waiter witness zeal
SCENE_MODULE_PARTS = tests/e2e/modules/note.h tests/e2e/modules/witness.h
check_DATA += $(SCENE_MODULES:%=tests/e2e/modules/%.so) tests/e2e/shim_connect.so tests/e2e/shim_fail.so

tests/e2e/modules/%.so: $(srcdir)/tests/e2e/modules/%.c $(SCENE_MODULE_PARTS) $(pkginclude_HEADERS)
	$(AM_V_CCLD)$(MKDIR_P) $(@D) && $(FIXTURE_LINK) $(WARN_CFLAGS) -fvisibility=hidden -o $@ $< -pthread
tests/e2e/shim_%.so: $(srcdir)/tests/e2e/shim_%.c
	$(AM_V_CCLD)$(MKDIR_P) $(@D) && $(CC) -std=c11 -D_GNU_SOURCE $(WARN_CFLAGS) -O2 -fPIC -shared -o $@ $< -ldl

CLEANFILES += tests/e2e/modules/*.so tests/e2e/shim_*.so
EXTRA_DIST += $(SCENE_MODULES:%=tests/e2e/modules/%.c) $(SCENE_MODULE_PARTS) \
	tests/e2e/shim_connect.c tests/e2e/shim_fail.c

# SPDX-License-Identifier: Apache-2.0
# Scenes against the real binary: pytest for processes, files and load, VTC where clients and origins speak bytes. One a line,
# sorted. They get $WEIR, $WEIRCTL and $WEIR_MODULES (the folder for -M; empty when all modules are in the binary).

E2E_TESTS = \
	tests/e2e/http_bodies.vtc \
	tests/e2e/http_interim.vtc \
	tests/e2e/http_keepalive.vtc \
	tests/e2e/http_pooled.vtc \
	tests/e2e/http_upgrade.vtc \
	tests/e2e/test_process.py

E2E_HELPERS = \
	tests/e2e/scene.py

TESTS += $(E2E_TESTS)
EXTRA_DIST += $(E2E_TESTS) $(E2E_HELPERS)

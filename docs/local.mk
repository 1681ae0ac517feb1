# SPDX-License-Identifier: Apache-2.0
# Manuals. The keys of weir.ini are not repeated in them: `weir -m` prints them from the tables that parse them.

dist_man_MANS = docs/man/weir.8 docs/man/weir.ini.5 docs/man/weirctl.8

EXTRA_DIST += docs/examples/hello/Makefile docs/examples/hello/README.md docs/examples/hello/hello.c \
	docs/architecture.md docs/http.md docs/modules.md docs/openapi.json docs/operations.md docs/tls.md

# SPDX-License-Identifier: Apache-2.0
# tunnel: reach upstreams through HTTP CONNECT proxies.

pkglib_LTLIBRARIES += modules/tunnel/tunnel.la
modules_tunnel_tunnel_la_SOURCES = \
	modules/tunnel/secrets.c \
	modules/tunnel/secrets.h \
	modules/tunnel/tunnel.c
modules_tunnel_tunnel_la_CPPFLAGS = $(MODULE_CPPFLAGS)
modules_tunnel_tunnel_la_LDFLAGS = $(MODULE_LDFLAGS)
EXTRA_DIST += modules/tunnel/tunnel.ini modules/tunnel/tunnel.md

TESTS += modules/tunnel/test_tunnel.py
EXTRA_DIST += modules/tunnel/test_tunnel.py

# SPDX-License-Identifier: Apache-2.0
# The comparison with peers: `make bench` builds its programs; bench/run does so by itself when they are missing.

bench_tools = bench/origin bench/load bench/relay bench/crowd bench/micro_http1
EXTRA_PROGRAMS += $(bench_tools)
CLEANFILES += $(bench_tools)
bench_origin_SOURCES = bench/origin.c
bench_origin_LDADD =
bench_load_SOURCES = bench/load.c
bench_load_LDADD = $(GNUTLS_LIBS)
bench_relay_SOURCES = bench/relay.c
bench_relay_LDADD =
bench_crowd_SOURCES = bench/crowd.c
bench_crowd_LDADD =
bench_micro_http1_SOURCES = bench/micro_http1.c
bench_micro_http1_LDADD = libweircore.a

bench: $(bench_tools)
.PHONY: bench

EXTRA_DIST += bench/run bench/swap bench/crowd.py bench/harness.py bench/README.md bench/nginx.conf.in bench/haproxy.cfg.in bench/weir.ini.in \
	bench/peers/pingora/Cargo.toml bench/peers/pingora/src/main.rs

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

# Weir at its fastest: compiled twice with GCC, the second time by what a run of the bench has shown of it (which code is hot, which way
# branches go), and linked as a whole. What the run does not reach is compiled as ever.
TRAINING = -fprofile-generate -fprofile-update=atomic
TRAINED = -fprofile-use -fprofile-partial-training -Wno-missing-profile -Wno-coverage-mismatch -flto=auto
tuned:
	$(MAKE) clean
	find . -name '*.gcda' -delete
	$(MAKE) all CFLAGS='$(CFLAGS) $(TRAINING)'
	$(srcdir)/bench/run --peers weir --rows small,large,upload,tls,hit --rounds 1 --scale 0.5 --weir ./weir --modules lib --output tuned.md
	$(MAKE) clean
	$(MAKE) all CFLAGS='$(CFLAGS) $(TRAINED)'
	find . -name '*.gcda' -delete
.PHONY: tuned
CLEANFILES += tuned.md

EXTRA_DIST += bench/run bench/swap bench/crowd.py bench/harness.py bench/README.md bench/nginx.conf.in bench/haproxy.cfg.in bench/weir.ini.in \
	bench/peers/pingora/Cargo.toml bench/peers/pingora/src/main.rs

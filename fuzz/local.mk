# SPDX-License-Identifier: Apache-2.0
# Fuzz targets: fuzz/NAME.c defines LLVMFuzzerTestOneInput; its seeds and past findings lie in fuzz/corpus/NAME. make check
# replays every corpus (fuzz/replay.c); with ./configure --enable-fuzzing CC=clang libFuzzer goes on from there for
# $FUZZ_SECONDS (default 10) a target. To add one: its line in FUZZ_TARGETS, sorted, and fuzz_NAME_LDADD = $(FUZZ_LIBS).
# A module's targets lie in its folder, with their corpora in modules/NAME/corpus/TARGET; its local.mk adds them.

FUZZ_TARGETS = fuzz/fuzz_change fuzz/fuzz_chunked fuzz/fuzz_connect fuzz/fuzz_greeting fuzz/fuzz_hello \
	fuzz/fuzz_ini fuzz/fuzz_pem fuzz/fuzz_request fuzz/fuzz_response fuzz/fuzz_state

if FUZZING
FUZZ_LIBS = $(LDADD) $(FUZZ_ENGINE)
else
noinst_LIBRARIES += fuzz/libreplay.a
FUZZ_LIBS = fuzz/libreplay.a $(LDADD)
endif
fuzz_libreplay_a_SOURCES = fuzz/replay.c

fuzz_fuzz_change_LDADD = $(FUZZ_LIBS)
fuzz_fuzz_chunked_SOURCES = fuzz/fuzz_chunked.c fuzz/http1_fuzz.h
fuzz_fuzz_chunked_LDADD = $(FUZZ_LIBS)
fuzz_fuzz_connect_SOURCES = fuzz/fuzz_connect.c fuzz/http1_fuzz.h
fuzz_fuzz_connect_LDADD = $(FUZZ_LIBS)
fuzz_fuzz_greeting_SOURCES = fuzz/fuzz_greeting.c fuzz/http1_fuzz.h
fuzz_fuzz_greeting_LDADD = $(FUZZ_LIBS)
fuzz_fuzz_hello_SOURCES = fuzz/fuzz_hello.c fuzz/http1_fuzz.h
fuzz_fuzz_hello_LDADD = $(FUZZ_LIBS)
fuzz_fuzz_ini_LDADD = $(FUZZ_LIBS)
fuzz_fuzz_pem_SOURCES = fuzz/fuzz_pem.c fuzz/http1_fuzz.h
fuzz_fuzz_pem_LDADD = $(FUZZ_LIBS)
fuzz_fuzz_request_SOURCES = fuzz/fuzz_request.c fuzz/http1_fuzz.h
fuzz_fuzz_request_LDADD = $(FUZZ_LIBS)
fuzz_fuzz_response_SOURCES = fuzz/fuzz_response.c fuzz/http1_fuzz.h
fuzz_fuzz_response_LDADD = $(FUZZ_LIBS)
fuzz_fuzz_state_LDADD = $(FUZZ_LIBS)

check_PROGRAMS += $(FUZZ_TARGETS)
TESTS += fuzz/check
EXTRA_DIST += fuzz/check fuzz/corpus

fuzz_environment = \
	FUZZ_TARGETS='$(FUZZ_TARGETS)'; export FUZZ_TARGETS; \
	FUZZING='$(FUZZING)'; export FUZZING;

clean-local: clean-fuzz
clean-fuzz:
	rm -rf fuzz/*.found
.PHONY: clean-fuzz

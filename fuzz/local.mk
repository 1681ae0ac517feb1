# SPDX-License-Identifier: Apache-2.0
# Fuzz targets: fuzz/NAME.c defines LLVMFuzzerTestOneInput, and its seeds and past findings lie in fuzz/corpus/NAME. One a line,
# sorted. make check replays every corpus by fuzz/replay.c; with ./configure --enable-fuzzing libFuzzer runs each target
# for $FUZZ_SECONDS (default 10) instead.

FUZZ_TARGETS =

EXTRA_DIST += fuzz/corpus

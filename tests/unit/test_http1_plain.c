/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scenes of the request parser once more, with the loop for machines without SSE2.
 *
 * The parts that differ are compiled into this program, so that the core's library does not bring its own.
 */
#ifndef WEIR_NO_SIMD
#define WEIR_NO_SIMD
#endif
#include "server/text.c"

#include "test_http1_request.c"

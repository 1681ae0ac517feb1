/* SPDX-License-Identifier: Apache-2.0 */
/*
 * phase: which phase of an exchange follows, by the phase that has ended and the verdict that ended it.
 */
#ifndef WEIR_SERVER_PHASE_H
#define WEIR_SERVER_PHASE_H

#include <weir/module.h>

struct weir_exchange;

/* Act on the verdict that ended x->phase; WEIR_NEXT stands for the last hook's. The phase to enter; WEIR_PHASES: none now. The
 * exchange may be gone then. */
enum weir_phase phase_after(struct weir_exchange *, enum weir_verdict);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* witness: it stands after probe, whose name comes before its own anyway, and after zeal, whose does not. */
#define NAME "witness"

#include "witness.h"

WEIR_MODULE(witness) = { WITNESS, .after = "probe zeal" };

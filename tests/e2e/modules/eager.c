/* SPDX-License-Identifier: Apache-2.0 */
/* eager: a witness that is called before all others. */
#define NAME "eager"

#include "witness.h"

WEIR_MODULE(eager) = { WITNESS, .order = WEIR_CLASS_FIRST };

/* SPDX-License-Identifier: Apache-2.0 */
/* trailing: a witness that is called after all others. */
#define NAME "trailing"

#include "witness.h"

WEIR_MODULE(trailing) = { WITNESS, .order = WEIR_CLASS_LAST };

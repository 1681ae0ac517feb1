/* SPDX-License-Identifier: Apache-2.0 */
/* zeal: a witness in the class of most modules; it stands before probe by its own word. */
#define NAME "zeal"

#include "witness.h"

WEIR_MODULE(zeal) = { WITNESS, .before = "probe" };

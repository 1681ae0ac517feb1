/* SPDX-License-Identifier: Apache-2.0 */
/* Calls a function that no library has. */
#include <weir/module.h>

void nobody_has_this(void);

static void
tick(struct weir_thread *thread, void *generation, void *state)
{
	(void)thread, (void)generation, (void)state;
	nobody_has_this();
}

WEIR_MODULE(unlinked) = {
	WEIR_ABI,
	.tick = tick,
};

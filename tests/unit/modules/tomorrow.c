/* SPDX-License-Identifier: Apache-2.0 */
/* Calls a function that this Weir does not have yet. */
#include <weir/module.h>

void weir_of_tomorrow(void);

static void
tick(struct weir_thread *thread, void *generation, void *state)
{
	(void)thread, (void)generation, (void)state;
	weir_of_tomorrow();
}

WEIR_MODULE(tomorrow) = {
	WEIR_ABI,
	.tick = tick,
};

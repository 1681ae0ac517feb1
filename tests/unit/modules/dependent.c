/* SPDX-License-Identifier: Apache-2.0 */
/* Linked with vanished.so, which is taken away after the build. */
#include <weir/module.h>

int vanished(void);

static void
tick(struct weir_thread *thread, void *generation, void *state)
{
	(void)thread, (void)generation, (void)state;
	vanished();
}

WEIR_MODULE(dependent) = {
	WEIR_ABI,
	.tick = tick,
};

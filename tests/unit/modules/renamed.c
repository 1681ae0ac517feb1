/* SPDX-License-Identifier: Apache-2.0 */
/* Its file was renamed after the build: the symbol tells what it was. */
#include <weir/module.h>

WEIR_MODULE(origin) = {
	WEIR_ABI,
	.summary = "A module in a file of another name.",
};

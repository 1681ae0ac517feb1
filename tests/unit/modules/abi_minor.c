/* SPDX-License-Identifier: Apache-2.0 */
/* Built for a newer minor of the ABI than this Weir has. */
#include <weir/module.h>

WEIR_MODULE(abi_minor) = {
	.abi_major = WEIR_ABI_MAJOR,
	.abi_minor = WEIR_ABI_MINOR + 1,
	.size = sizeof(struct weir_module) + 64,
	.name = weir_module_name,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* Says that its struct is larger than this minor has it. */
#include <weir/module.h>

WEIR_MODULE(too_large) = {
	.abi_major = WEIR_ABI_MAJOR,
	.abi_minor = WEIR_ABI_MINOR,
	.size = sizeof(struct weir_module) + 8,
	.name = weir_module_name,
};

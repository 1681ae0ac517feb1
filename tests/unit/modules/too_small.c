/* SPDX-License-Identifier: Apache-2.0 */
/* Says that its struct is smaller than any that there was. */
#include <weir/module.h>

WEIR_MODULE(too_small) = {
	.abi_major = WEIR_ABI_MAJOR,
	.abi_minor = WEIR_ABI_MINOR,
	.size = 64,
	.name = weir_module_name,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* Built for another major of the ABI: it may mean anything. */
#include <weir/module.h>

WEIR_MODULE(abi_major) = {
	.abi_major = WEIR_ABI_MAJOR + 1,
	.abi_minor = 7,
	.size = sizeof(struct weir_module),
	.name = weir_module_name,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* Says that the entries of its option table are smaller than this minor has them. */
#include <weir/module.h>

WEIR_MODULE(entries) = {
	.abi_major = WEIR_ABI_MAJOR,
	.abi_minor = WEIR_ABI_MINOR,
	.size = sizeof(struct weir_module),
	.option_size = sizeof(struct weir_option) - 8,
	.metric_size = sizeof(struct weir_metric),
	.variable_size = sizeof(struct weir_variable),
	.verb_size = sizeof(struct weir_verb),
	.name = weir_module_name,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* Calls itself by another name than its file and symbol do. */
#include <weir/module.h>

extern WEIR_API const struct weir_module alias_LTX_weir_module;

const struct weir_module alias_LTX_weir_module = {
	.abi_major = WEIR_ABI_MAJOR,
	.abi_minor = WEIR_ABI_MINOR,
	.size = sizeof(struct weir_module),
	.option_size = sizeof(struct weir_option),
	.metric_size = sizeof(struct weir_metric),
	.variable_size = sizeof(struct weir_variable),
	.verb_size = sizeof(struct weir_verb),
	.name = "somebody",
};

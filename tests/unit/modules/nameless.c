/* SPDX-License-Identifier: Apache-2.0 */
/* Does not say its name. */
#include <weir/module.h>

extern WEIR_API const struct weir_module nameless_LTX_weir_module;

const struct weir_module nameless_LTX_weir_module = {
	.abi_major = WEIR_ABI_MAJOR,
	.abi_minor = WEIR_ABI_MINOR,
	.size = sizeof(struct weir_module),
	.option_size = sizeof(struct weir_option),
	.metric_size = sizeof(struct weir_metric),
	.variable_size = sizeof(struct weir_variable),
	.verb_size = sizeof(struct weir_verb),
};

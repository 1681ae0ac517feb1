/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weir/api.h: the version of the contract, and how its functions are marked.
 */
#ifndef WEIR_API_H
#define WEIR_API_H

#define WEIR_ABI_MAJOR 1
#define WEIR_ABI_MINOR 0

#define WEIR_API __attribute__((visibility("default")))

#endif

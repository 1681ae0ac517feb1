/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linker: how libltdl opens a shared object for us. For the loader, on the main thread.
 */
#ifndef WEIR_SERVER_LINKER_H
#define WEIR_SERVER_LINKER_H

#include <stdbool.h>

/* Put ours in the place of libltdl's loader for shared objects, after lt_dlinit. False when it cannot be had. */
bool linker_start(void);

/* What the dynamic linker said of the last object that did not open. */
const char *linker_error(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* A shared object that is no module at all. */
int nosymbol(void);

int
nosymbol(void)
{
	return 1;
}

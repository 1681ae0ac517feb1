/* SPDX-License-Identifier: Apache-2.0 */
/* Needs a library that will not be there: see dependent.c. */
int vanished(void);

int
vanished(void)
{
	return 1;
}

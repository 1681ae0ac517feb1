/* SPDX-License-Identifier: Apache-2.0 */
/*
 * meddler: interferes as the request's field Meddle orders, the way a careless module would:
 *
 *	cache=to:NAME		in the phase cache, the request is rewritten for this authority
 *	peer=host:NAME		the peer has this host
 *	peer=lines		its host has an end of line and a field in it
 *	peer=nobody		the upstream NULL is chosen
 *	response=status:NUMBER	the response has another status
 *	error=page:STATUS	the page is larger than any socket's buffer
 */
#include "note.h"

#include <stdlib.h>

static enum weir_verdict
rewrite(struct weir_exchange *x, const void *settings, void *state)
{
	char what[64];

	(void)settings, (void)state;
	if (ordered(x, "Meddle", "cache", what) && strncmp(what, "to:", 3) == 0 && strcmp(weir_authority(x), what + 3) != 0)
		weir_set_authority(x, what + 3);
	return WEIR_NEXT;
}

static enum weir_verdict
change_peer(struct weir_exchange *x, const void *settings, void *state)
{
	char what[64];

	(void)settings, (void)state;
	if (!ordered(x, "Meddle", "peer", what))
		return WEIR_NEXT;
	if (strncmp(what, "host:", 5) == 0)
		weir_peer(x)->host = weir_printf(x, "%s", what + 5);
	else if (strcmp(what, "lines") == 0)
		weir_peer(x)->host = "inside.test\r\nSmuggled: yes";
	else if (strcmp(what, "nobody") == 0)
		weir_choose_upstream(x, NULL);
	return WEIR_NEXT;
}

static enum weir_verdict
change_status(struct weir_exchange *x, const void *settings, void *state)
{
	char what[64];

	(void)settings, (void)state;
	if (ordered(x, "Meddle", "response", what) && strncmp(what, "status:", 7) == 0)
		weir_set_status(x, atoi(what + 7));
	return WEIR_NEXT;
}

static enum weir_verdict
answer_at_length(struct weir_exchange *x, const void *settings, void *state)
{
	static const char page[16 * 1024 * 1024];
	char what[64];

	(void)settings, (void)state;
	if (!ordered(x, "Meddle", "error", what) || strncmp(what, "page:", 5) != 0)
		return WEIR_NEXT;
	weir_respond(x, atoi(what + 5), "text/plain", page, sizeof(page));
	return WEIR_RESPOND;
}

WEIR_MODULE(meddler) = {
	WEIR_ABI,
	.summary = "Interferes as requests order it.",
	.hooks = {
		[WEIR_PHASE_CACHE] = rewrite,
		[WEIR_PHASE_PEER] = change_peer,
		[WEIR_PHASE_RESPONSE] = change_status,
		[WEIR_PHASE_ERROR] = answer_at_length,
	},
};

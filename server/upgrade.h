/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upgrade: another binary takes this one's place, and no connection is lost.
 *
 *	this process (upgrade.c)                    the new one (takeover.c)
 *	spawn it; its stderr is a pipe to us  ───►  take the sockets, read the configuration, start its threads
 *	wait, no longer than upgrade_timeout  ◄───  "ready", and which sockets it has no use for
 *	"go"                                  ───►  accept, on the same sockets
 *	drain and end
 *
 * Until "go" nothing here has changed: whatever becomes of the new process, this one serves on and says what the other
 * one said. Sockets and channel are inherited descriptors, whose numbers stand in the environment.
 */
#ifndef WEIR_SERVER_UPGRADE_H
#define WEIR_SERVER_UPGRADE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct process;

/*
 * What is handed over, by name=value, separated by spaces: channel=FD stderr=FD admin=FD listen=FD[p][m],…
 * p: the port was left to the kernel; m: it is a service manager's socket. Unknown names are passed over.
 */
#define UPGRADE_VARIABLE "WEIR_UPGRADE"

/* Messages on the channel. After "ready", the first descriptor of each set that is not wanted follows. */
#define UPGRADE_READY "ready"
#define UPGRADE_GO "go"
enum { UPGRADE_MESSAGE = 4096 };

struct upgrade_outcome {
	pid_t pid;			/* that serves now; 0: it failed */
	const char *why;		/* it failed */
	const char *said;		/* what the new process wrote to its stderr: lines */
	int64_t milliseconds;		/* since it was begun */
};

struct upgrade_waiter {
	struct upgrade_waiter *next;
	void (*told)(struct upgrade_waiter *, const struct upgrade_outcome *);	/* it is the caller's again */
};

/* Remember which binary this is: before anybody can have replaced it. False without memory. */
bool upgrade_init(struct process *);
void upgrade_free(struct process *);

/* Begin soon; who asks while one is under way hears of that one. `waiter` may be NULL. */
void upgrade_ask(struct process *, struct upgrade_waiter *);
void upgrade_forget(struct process *, struct upgrade_waiter *);

/* This process is told to end: the new one, if it does not serve yet, ends first. */
void upgrade_abort(struct process *);

/* Has the new process read the configuration, or is it about to? Then nothing that it would miss may be changed here; the same
 * in the new process until it serves. */
bool upgrade_is_under_way(const struct process *);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * privilege: root for as long as it takes to bind addresses, and never again.
 *
 * The order matters: groups while we may still set them, then all three of the group's and the user's ids at
 * once, which also empties the permitted and effective capabilities; then the bounding set is beside the
 * point, and no_new_privs makes execve unable to give anything back. What was done is then checked by trying
 * to undo it.
 */
#include "privilege.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool refuse(char *why, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

static bool
refuse(char *why, size_t size, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why, size, format, arguments);
	va_end(arguments);
	return false;
}

static bool
is_set(const char *name)
{
	return name != NULL && name[0] != '\0';
}

bool
privilege_find(struct privilege *p, const char *user, const char *group, char *why, size_t size)
{
	const struct passwd *account;
	const struct group *own;

	*p = (struct privilege){ .name = user };
	why[0] = '\0';
	if (!is_set(user))
		return !is_set(group) || refuse(why, size, "`group = %s` is set, but no `user`", group);
	if ((account = getpwnam(user)) == NULL)
		return refuse(why, size, "there is no user %s; create it or set another `user`", user);
	p->user = account->pw_uid;
	p->group = account->pw_gid;
	if (is_set(group)) {
		if ((own = getgrnam(group)) == NULL)
			return refuse(why, size, "there is no group %s; create it or set another `group`",
				group);
		p->group = own->gr_gid;
	}
	p->wanted = geteuid() == 0 && p->user != 0;
	if (geteuid() != 0 && geteuid() != p->user)
		snprintf(why, size, "only root can become `user = %s`; serving as user number %ld", user,
			(long)geteuid());
	return true;
}

bool
privilege_lend(const struct privilege *p)
{
	return !p->wanted ||
		(initgroups(p->name, p->group) == 0 && setegid(p->group) == 0 && seteuid(p->user) == 0);
}

bool
privilege_return(const struct privilege *p)
{
	return !p->wanted || (seteuid(0) == 0 && setegid(0) == 0);
}

/* Empty all sets of this thread; the only one, at this time. */
static bool
drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);	/* older kernels have none */
	return syscall(SYS_capset, &header, none) == 0;
}

static bool
has_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capget, &header, sets) != 0)
		return true;
	for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		if ((sets[i].effective | sets[i].permitted | sets[i].inheritable) != 0)
			return true;
	return false;
}

/* Is there a way back? */
static bool
is_regained(const struct privilege *p)
{
	uid_t user[3];
	gid_t group[3];

	if (setuid(0) == 0 || seteuid(0) == 0 || setreuid(0, 0) == 0)
		return true;
	if (p->group != 0 && (setgid(0) == 0 || setegid(0) == 0))
		return true;
	if (getresuid(&user[0], &user[1], &user[2]) != 0 || getresgid(&group[0], &group[1], &group[2]) != 0)
		return true;
	for (int i = 0; i < 3; i++)
		if (user[i] != p->user || group[i] != p->group)
			return true;
	return has_capabilities();
}

bool
privilege_drop(const struct privilege *p, char *why, size_t size)
{
	if (!p->wanted)
		return true;
	if (initgroups(p->name, p->group) != 0)
		return refuse(why, size, "cannot take the groups of user %s: %s", p->name, strerror(errno));
	if (setresgid(p->group, p->group, p->group) != 0)
		return refuse(why, size, "cannot become group %ld: %s", (long)p->group, strerror(errno));
	if (setresuid(p->user, p->user, p->user) != 0)
		return refuse(why, size, "cannot become user %s: %s", p->name, strerror(errno));
	if (!drop_capabilities() || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return refuse(why, size, "cannot drop capabilities: %s", strerror(errno));
	if (is_regained(p))
		return refuse(why, size, "root could be regained after becoming user %s", p->name);
	return true;
}

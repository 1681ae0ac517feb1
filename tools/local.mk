# SPDX-License-Identifier: Apache-2.0
# Programs beside the server. weirctl knows the admin socket and nothing of the core: it links JSON only.

bin_PROGRAMS += weirctl
weirctl_SOURCES = \
	tools/ask.c \
	tools/ask.h \
	tools/call.c \
	tools/call.h \
	tools/routing.c \
	tools/routing.h \
	tools/show.c \
	tools/show.h \
	tools/weirctl.c
weirctl_LDADD = $(JANSSON_LIBS)

# bash looks for a file of the program's name.
bashcompletiondir = $(datadir)/bash-completion/completions
EXTRA_DIST += tools/weirctl.bash
install-data-local: install-completion
uninstall-local: uninstall-completion
install-completion:
	$(MKDIR_P) "$(DESTDIR)$(bashcompletiondir)"
	$(INSTALL_DATA) $(srcdir)/tools/weirctl.bash "$(DESTDIR)$(bashcompletiondir)/weirctl"
uninstall-completion:
	rm -f "$(DESTDIR)$(bashcompletiondir)/weirctl"
.PHONY: install-completion uninstall-completion

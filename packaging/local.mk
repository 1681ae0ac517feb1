# SPDX-License-Identifier: Apache-2.0
# The systemd unit, and the configuration that an installed Weir starts with. Files that an operator may have changed are
# never overwritten: the shipped ones lie beside them as documentation.

SUBSTITUTE = $(SED) -e 's|@sbindir[@]|$(sbindir)|g' -e 's|@bindir[@]|$(bindir)|g' -e 's|@sysconfdir[@]|$(sysconfdir)|g'

if SYSTEMD_UNIT
systemdsystemunit_DATA = packaging/weir.service
endif
EXTRA_DIST += packaging/weir.service.in
CLEANFILES += packaging/weir.service

packaging/weir.service: packaging/weir.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) packaging && $(SUBSTITUTE) $(srcdir)/packaging/weir.service.in >$@.tmp && mv $@.tmp $@

# SPDX-License-Identifier: Apache-2.0
# The systemd unit, and the configuration that an installed Weir starts with. A file that is there already is the operator's:
# it is neither overwritten nor, unless it is still as we brought it, removed.

SUBSTITUTE = $(SED) -e 's|@sbindir[@]|$(sbindir)|g' -e 's|@bindir[@]|$(bindir)|g' -e 's|@sysconfdir[@]|$(sysconfdir)|g'

if SYSTEMD_UNIT
systemdsystemunit_DATA = packaging/weir.service
endif
EXTRA_DIST += packaging/weir.service.in
CLEANFILES += packaging/weir.service

packaging/weir.service: packaging/weir.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) packaging && $(SUBSTITUTE) $(srcdir)/packaging/weir.service.in >$@.tmp && mv $@.tmp $@

CONFIGURATION = weir.ini conf.d/10-modules.ini conf.d/20-web.ini conf.d/30-welcome.ini
EXTRA_DIST += $(CONFIGURATION)

install-data-local: install-configuration
uninstall-local: uninstall-configuration
install-configuration:
	$(MKDIR_P) "$(DESTDIR)$(sysconfdir)/weir/conf.d"
	for file in $(CONFIGURATION); do \
		test -e "$(DESTDIR)$(sysconfdir)/weir/$$file" || \
		$(INSTALL_DATA) "$(srcdir)/$$file" "$(DESTDIR)$(sysconfdir)/weir/$$file" || exit 1; \
	done
uninstall-configuration:
	for file in $(CONFIGURATION); do \
		! cmp -s "$(srcdir)/$$file" "$(DESTDIR)$(sysconfdir)/weir/$$file" || rm -f "$(DESTDIR)$(sysconfdir)/weir/$$file"; \
	done
.PHONY: install-configuration uninstall-configuration

# SPDX-License-Identifier: Apache-2.0
# The contract: installed as include/weir/.

pkginclude_HEADERS = \
	include/weir/api.h \
	include/weir/build.h \
	include/weir/exchange.h \
	include/weir/module.h \
	include/weir/option.h \
	include/weir/peer.h \
	include/weir/stream.h \
	include/weir/thread.h \
	include/weir/tls.h

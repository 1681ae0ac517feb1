#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Make ./configure out of configure.ac. Needed once after a clone; make does it by itself when its sources change.
set -eu
cd "$(dirname "$0")"
for tool in autoreconf automake libtoolize pkg-config; do
	command -v "$tool" >/dev/null ||
		{ echo "autogen.sh: $tool is missing; on Debian: apt install autoconf automake libtool pkg-config" >&2; exit 1; }
done
exec autoreconf --install "$@"

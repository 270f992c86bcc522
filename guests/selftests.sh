#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Gets the ALSA selftests of the kernel's source as Debian has it, and builds them for a guest of
# this machine's architecture; nothing is installed.
#
#   guests/selftests.sh
#
# Leaves build/guests/selftests/ with mixer-test, pcm-test and its configuration pcm-test.conf, and
# "package", where they are from.
# The package is large (150 MB), and is thrown away; remove the folder to get a newer one.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

[ $# = 0 ] || die "usage: selftests.sh"
only_once selftests package

echo "selftests.sh: getting the kernel's source" >&2
with_lists apt_get download linux-source-6.12

mkdir source out
dpkg-deb --fsys-tarfile ./*.deb | tar -xO --wildcards '*/linux-source-6.12.tar.xz' | xz -dc |
    tar -x -C source --strip-components=1 --wildcards '*/tools/testing/selftests/alsa' \
        '*/tools/testing/selftests/kselftest.h'
cd source/tools/testing/selftests/alsa || die "the source has no tests of ALSA"
for name in mixer-test pcm-test; do
    cc -O2 -w -o "$work/out/$name" "$name.c" conf.c -lasound -lpthread || die "$name does not build"
done
cp pcm-test.conf "$work/out"
cd "$work"
basename ./*.deb .deb >out/package
put selftests out

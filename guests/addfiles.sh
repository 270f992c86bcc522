#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Puts files of the host into an initramfs, where the guest sees them as /data/NAME.
#
#   guests/addfiles.sh INITRAMFS OUT FILE...
#
# The files go into a cpio of their own in front of INITRAMFS: the kernel unpacks both.
set -eu

if [ $# -lt 3 ]; then
    echo "usage: addfiles.sh INITRAMFS OUT FILE..." >&2
    exit 1
fi
initramfs=$1 out=$2
shift 2

mkdir -p "$(dirname "$out")"
work=$(mktemp -d "$(dirname "$out")/.addfiles.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

mkdir "$work/data"
cp -L -- "$@" "$work/data/"
find "$work/data" -exec touch -d @0 {} +
(cd "$work" && find data | LC_ALL=C sort |
    cpio --quiet --reproducible -R 0:0 -H newc -o) >"$work/out"
cat "$initramfs" >>"$work/out"
mv "$work/out" "$out"

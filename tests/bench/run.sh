#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# `make bench`: measures linnet, and QEMU beside it (its microvm; with ARCH=arm64 its virt). Prints
# "name value unit", a row a line, and keeps them in build/bench.txt.
#
# What is given in instructions comes from the rig's counting machine: its one CPU does one a
# nanosecond, so the run time of threads counts instructions, however fast or busy this machine is.
# (Its clock does not: it also jumps over what they wait for.) There a command runs twice; the
# second, with warm caches, counts.
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=boot.sh
. "$here/boot.sh"
# shellcheck source=sound.sh
. "$here/sound.sh"

prepare() {
    mkdir -p "$made/root"
    "$top/guests/fetch.sh" "${guest##*/}"
    "$cc" -O2 -static -o "$made/root/init" "$here/init.c"
    (cd "$made/root" && echo init | cpio --quiet -R 0:0 -H newc -o) >"$made/init.cpio"
    "$top/guests/mkinitramfs.sh" "${guest##*/}" "$made/sound.cpio"
}

work=$(mktemp -d)
cd "$work"
case ${1-} in
--inside)
    case $arch in
    arm64) boot_rows_arm64 ;;
    *) boot_rows ;;
    esac
    sound_rows
    free_row
    ;;
*)
    prepare
    {
        if [ "$arch" != "$host" ]; then
            echo "bench: no start.* and memory.* rows: this is no $arch host" >&2
        elif [ -w /dev/kvm ]; then
            host_rows
        else
            echo "bench: no start.* and memory.* rows: no /dev/kvm to write to" >&2
        fi
        "$top/tests/rig/rig.sh" --arch "$arch" --counting --out "$made/out" -- "$here/run.sh" --inside
    } | tee "$top/build/bench.txt"
    ;;
esac
rm -rf "$work"

#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# `make bench`: measures linnet, and QEMU beside it (its microvm; with ARCH=arm64 its virt). Prints
# "name value unit", a row a line, and keeps them in build/bench.txt.
#
#   tests/bench/run.sh [boot|start|irq|sound|ear|telling|card|disk|debian|share|net|streams]...    rows of these; else of boot, irq, sound, disk, share
#
# What is given in instructions comes from the rig's counting machine: its one CPU does one a
# nanosecond, so the run time of threads counts instructions, however fast or busy this machine is.
# (Its clock does not: it also jumps over what they wait for.)
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=boot.sh
. "$here/boot.sh"
# shellcheck source=sound.sh
. "$here/sound.sh"
# shellcheck source=disk.sh
. "$here/disk.sh"
# shellcheck source=share.sh
. "$here/share.sh"
# shellcheck source=net.sh
. "$here/net.sh"
# shellcheck source=queue.sh
. "$here/queue.sh"
# shellcheck source=irq.sh
. "$here/irq.sh"
# shellcheck source=streams.sh
. "$here/streams.sh"

prepare() {
    mkdir -p "$made/root"
    "$top/guests/fetch.sh" "${guest##*/}"
    "$cc" -O2 -static -o "$made/root/init" "$here/init.c"
    (cd "$made/root" && echo init | cpio --quiet -R 0:0 -H newc -o) >"$made/init.cpio"
    "$top/guests/mkinitramfs.sh" "${guest##*/}" "$made/sound.cpio"
    case " $* " in *\ boot\ * | *\ start\ *) boot_prepare ;; esac
    sound_prepare
    disk_prepare
    case " $* " in *\ debian\ *) "$top/guests/mkroot.sh" ;; esac
    share_prepare
    case " $* " in *\ net\ *) net_prepare ;; esac
    case " $* " in *\ streams\ *) streams_prepare ;; esac
}

inside=
[ "${1-}" != --inside ] || { inside=yes && shift; }
# In the rig a file system of its memory: its /tmp is an overlay on the host's, which costs more to write to.
work=$(mktemp -d ${inside:+-p /dev/shm})
cd "$work"
[ $# -gt 0 ] || set -- boot irq sound disk share
if [ -n "$inside" ]; then
    for part; do "${part}_rows"; done
else
    prepare "$@"
    {
        case " $* " in *\ boot\ *) host_rows ;; esac
        case " $* " in *\ sound\ *) device_rows ;; esac
        case " $* " in *\ boot\ *) queue_rows ;; esac
        "$top/tests/rig/rig.sh" --arch "$arch" --counting --timeout 3600 --out "$made/out" "${plugin[@]}" -- \
            "$here/run.sh" --inside "$@"
    } | tee "$top/build/bench.txt"
fi
rm -rf "$work"

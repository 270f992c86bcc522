#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Makes a small Debian with systemd as an ext4 image, which is to be /dev/vda of a guest:
#
#   guests/mkroot.sh       build/guests/root/root.img
#
# Whoever logs in on the serial console is root, without a password. fio is there. Wants mmdebstrap and root, or user namespaces.
# The folder appears in one rename; remove it to get newer packages.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

packages=systemd-sysv,udev,kmod,dbus,iproute2,fio

[ $# = 0 ] || die "usage: mkroot.sh"
only_once root root.img
command -v mmdebstrap >/dev/null || die "mmdebstrap is missing: run tests/deps.sh soak"
PATH=$PATH:/usr/sbin:/sbin

echo "mkroot.sh: making a Debian with systemd" >&2
mode=root
[ "$(id -u)" = 0 ] || mode=unshare
# Without udev systemd waits 90 s for the console and gives up.
# shellcheck disable=SC2016 # $1 is the hooks' own
mmdebstrap --quiet --mode="$mode" --variant=essential --include="$packages" \
    --dpkgopt=path-exclude='/usr/share/doc/*' --dpkgopt=path-exclude='/usr/share/man/*' \
    --dpkgopt=path-exclude='/usr/share/locale/*' \
    --customize-hook='chroot "$1" passwd -d root' \
    --customize-hook='echo guest >"$1/etc/hostname"; echo "/dev/vda / ext4 defaults 0 1" >"$1/etc/fstab"' \
    --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*' \
    bookworm "$work/root.tar" >&2
mkdir root tree
tar -x -C tree --exclude='./dev/*' -f root.tar
mke2fs -q -t ext4 -L root -d tree root/root.img 600M
put root root

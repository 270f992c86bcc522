#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Builds an x86_64 kernel that reads device trees, as Debian's own for x86_64 do not: from Debian's
# linux-source-6.12, with the little that a guest of the tests needs and CONFIG_OF. Takes 3 to 20
# minutes; `make kernel-of` boots it.
#
#   guests/kernel-of.sh
#
# Leaves build/guests/6.12-of-amd64/ with vmlinuz, config, version and package as fetch.sh does, but
# no modules: all is built in. Remove the folder to build it anew.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

kernel=6.12-of-amd64
source=linux-source-6.12
options=(64BIT SMP KERNEL_ZSTD PRINTK TTY BINFMT_ELF BINFMT_SCRIPT BLK_DEV_INITRD # to be a guest
    PROC_FS SYSFS DEVTMPFS MULTIUSER FUTEX EPOLL POSIX_TIMERS HIGH_RES_TIMERS     # busybox
    HYPERVISOR_GUEST PARAVIRT KVM_GUEST PCI ACPI SERIAL_8250 SERIAL_8250_CONSOLE  # the machine
    VIRTIO_MENU VIRTIO_MMIO HW_RANDOM HW_RANDOM_VIRTIO
    OF) # what it is about

only_once "$kernel" version
for tool in flex bison bc make gcc zstd; do
    command -v "$tool" >/dev/null || die "$tool is missing: run tests/deps.sh kernel"
done
echo "kernel-of.sh: getting $source" >&2
with_lists apt_get download "$source"
mkdir out
basename "$source"_*.deb .deb >out/package
dpkg-deb --fsys-tarfile "$source"_*.deb | tar -x -O "./usr/src/$source.tar.xz" | tar -xJ
rm "$source"_*.deb
cd "$source"
echo "kernel-of.sh: building it" >&2
# What the Makefiles of a caller hand down is not for this one.
unset MAKEFLAGS MAKEOVERRIDES MFLAGS ARCH CROSS_COMPILE VARIANT
# built TARGET...: by the kernel's own Makefile.
built() {
    make -s "$@" >"$work/log" 2>&1 || die "make $*: $(grep -m 1 -i error "$work/log")"
}

built tinyconfig
printf 'CONFIG_%s=y\n' "${options[@]}" >>.config
built olddefconfig
for option in "${options[@]}"; do
    grep -qx "CONFIG_$option=y" .config || die "this kernel has no option $option"
done
built -j2 bzImage
cp arch/x86/boot/bzImage "$work/out/vmlinuz"
cp .config "$work/out/config"
make -s kernelrelease >"$work/out/version"
put "$kernel" "$work/out"

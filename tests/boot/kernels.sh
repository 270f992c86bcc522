# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Stock kernels, by every way in. virtio-rng works in each: its driver, found by ACPI, gets bytes
# over virtio-mmio.

# boots KERNEL INITRAMFS
boots() {
    boot 0 --initrd "$made/$2" --rng --append "$(job rng)" "$1"
    done_job rng
    grep -q '^rng_current: virtio_rng' console
}

bzimage() { boots "$guests/$stock/vmlinuz" "$stock.boot"; }
elf_pvh() { boots "$guests/$stock/vmlinux" "$stock.boot"; }
elf_64() { boots "$made/vmlinux-64" "$stock.boot"; }
cloud_6_12() { boots "$guests/6.12-cloud-amd64/vmlinuz" 6.12-cloud-amd64.boot; }
cloud_6_1() { boots "$guests/6.1-cloud-amd64/vmlinuz" 6.1-cloud-amd64.boot; }

boot_case counting kernel-6.12-bzimage bzimage
boot_case counting kernel-6.12-vmlinux-pvh elf_pvh
boot_case counting kernel-6.12-vmlinux-64 elf_64
boot_case counting kernel-6.12-cloud cloud_6_12
boot_case counting kernel-6.1-cloud cloud_6_1

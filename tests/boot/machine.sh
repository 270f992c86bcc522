# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Machines larger than the smallest.

four_cpus() {
    boot 0 --cpus 4 --initrd "$made/$stock.boot" --append "$(job cpus)" "$guests/$stock/vmlinuz"
    done_job cpus
    grep -q '^cpus: 4' console
    [ "$arch" != x86_64 ] || grep -q '^idle: acpi_idle' console || fail "the kernel has no idle driver"
}

# Some memory is above the hole below 4 GiB; the kernel keeps a little of it for itself.
six_gib() {
    local kib
    boot 0 --mem 6G --initrd "$made/$stock.boot" --append "$(job mem)" "$guests/$stock/vmlinuz"
    done_job mem
    kib=$(sed -n 's/^MemTotal: *\([0-9]*\) kB.*/\1/p' console)
    ((kib > 5900 * 1024 && kib <= 6144 * 1024)) || fail "$kib KiB"
}

boot_case smp four-cpus four_cpus
boot_case smp six-gib six_gib x86_64

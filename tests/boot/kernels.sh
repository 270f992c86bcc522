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

# A kernel that does read it; linnet makes a tree for it with all that the tables tell, and an overlay
# in it. (The modules in the initramfs are another kernel's; this one has its drivers built in.)
bzimage_reads_tree() {
    local kernel=$guests/6.12-of-amd64
    [ -e "$kernel/version" ] || skip "no kernel with CONFIG_OF: make kernel-of builds one"
    boot 0 --initrd "$made/$stock.boot" --rng --dtbo "$made/extra.dtbo" --append \
        "$(job tree extra/compatible model memory@0/device_type chosen/bootargs)" "$kernel/vmlinuz"
    done_job tree
    grep -q '^tree: extra/compatible: linnet,extra' console
    grep -q '^tree: model: linnet' console
    grep -q '^tree: memory@0/device_type: memory' console
    grep -q '^tree: chosen/bootargs: .*console=ttyS0' console
}

# The second boot takes what the first one unpacked (and ran for a moment): the same file, and its time of use is
# told. And it has a device tree beside the ACPI tables, which this kernel does not read, and survives.
bzimage() {
    local words=(--kernel-cache "dir:kept" --initrd "$made/$stock.boot" --rng
        --append "$(job rng)" "$guests/$stock/vmlinuz") inode
    boot 37 --time-limit 1s "${words[@]}"
    inode=$(stat -c %i kept/kernel-*)
    touch -d @1 kept/kernel-*
    boot 0 --dump-dtb tree.dtb --dtbo "$made/extra.dtbo" "${words[@]}"
    done_job rng
    grep -q '^rng_current: virtio_rng' console
    grep -q 'linnet,extra' tree.dtb
    [ "$(stat -c %i kept/kernel-*)" = "$inode" ] || fail "the kernel was unpacked again"
    [ "$(stat -c %Y kept/kernel-*)" != 1 ] || fail "the kernel that was kept was not used"
}

elf_pvh() { boots "$made/vmlinux-pvh" "$stock.boot"; }
elf_64() { boots "$guests/$stock/vmlinux" "$stock.boot"; }
cloud_6_12() { boots "$guests/6.12-cloud-amd64/vmlinuz" 6.12-cloud-amd64.boot; }
cloud_6_1() { boots "$guests/6.1-cloud-amd64/vmlinuz" 6.1-cloud-amd64.boot; }

# The newest kernel that Debian's archive gives. A device of each class, half of them on PCI, and the tone sample for
# sample.
newest=7-${stock##*-}
kernel_newest() {
    [ -e "$guests/$newest/version" ] || skip "no kernel 7 could be had: guests/fetch.sh $newest says why"
    head -c 1M /dev/zero >disk.img && head -c 2M /dev/zero >pmem.img
    boot 0 --transport pci --rng --snd host=file,path=tone.wav --net host=socket,path=hub --share .,tag=here \
        --input keyboard --disk disk.img,transport=mmio --console name=a,to=null --balloon transport=mmio \
        --vsock sock,transport=mmio --pmem pmem.img,transport=mmio --initrd "$made/$newest.talk" \
        --append "$words_7$(job all 10)" "$guests/$newest/vmlinuz"
    done_job all
    "$linnet" listen --same-as "$guests/tone.wav" tone.wav
}

newest_prepare() {
    [ "$arch" = "$host" ] || [ -n "${ALL_CASES-}" ] || return 0
    "$top/guests/fetch.sh" "$newest" || return 0
    "$top/guests/mkinitramfs.sh" "$newest" "$made/$newest.talk" talk
}

boot_case counting kernel-6.12-bzimage bzimage x86_64
boot_case counting kernel-6.12-of bzimage_reads_tree x86_64
boot_case counting kernel-6.12-vmlinux-pvh elf_pvh x86_64
boot_case counting kernel-6.12-vmlinux-64 elf_64 x86_64
boot_case counting kernel-6.12-cloud cloud_6_12 x86_64
boot_case counting kernel-6.1-cloud cloud_6_1 x86_64
boot_case counting kernel-7 kernel_newest

# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The stock arm64 kernel, plain and packed, and its device tree. virtio-rng works in each.

image() { boots "$guests/$stock/vmlinuz" "$stock.boot"; }
image_gz() { boots "$made/Image.gz" "$stock.boot"; }
zboot_gzip() { boots "$made/zboot-gzip" "$stock.boot"; }
zboot_zstd() { boots "$made/zboot-zstd" "$stock.boot"; }

# An overlay's node is in the tree that the kernel has; the same seed gives the same tree.
device_tree() {
    local with=(--initrd "$made/$stock.boot" --rng --seed 7 --dtbo "$made/extra.dtbo"
        --append "$(job tree extra/compatible)")
    boot 0 "${with[@]}" --dump-dtb tree.dtb "$guests/$stock/vmlinuz"
    done_job tree
    grep -q '^tree: extra/compatible: linnet,extra' console
    boot 37 "${with[@]}" --time-limit 10ms --dump-dtb again.dtb "$guests/$stock/vmlinuz"
    cmp tree.dtb again.dtb
    # As the whole tree, it boots too.
    boot 0 --initrd "$made/$stock.boot" --rng --append "$(job rng)" --dtb tree.dtb \
        "$guests/$stock/vmlinuz"
    done_job rng
}

# The guest sleeps until its clock wakes it. Then it writes where it may not.
alarm() {
    head -c 8192 /dev/urandom >image
    cp image before
    boot 0 --initrd "$made/$stock.pair" --pmem image --append "$(job alarm)" "$guests/$stock/vmlinuz"
    cmp image before
    done_job alarm
}

gic_v2() {
    boot 0 --cpus 2 --initrd "$made/$stock.boot" --rng --log debug --append "$(job gic)" \
        "$guests/$stock/vmlinuz"
    done_job gic
    grep -q '^gic: arm,cortex-a15-gic' console
}
too_many_cpus_for_gic_v2() {
    boot 35 --cpus 9 "$guests/$stock/vmlinuz"
    grep -q -- "--cpus 9: this host's KVM allows at most 8" errors
}

# on_other_host VARIABLE=VALUE... -- STATUS OPTION...: boots where KVM is less than it is here; see
# fewer_kvm.c.
on_other_host() {
    local fewer=("LD_PRELOAD=$made/fewer_kvm.so")
    while [ "$1" != -- ]; do
        fewer+=("$1")
        shift
    done
    export "${fewer[@]}"
    boot "${@:2}"
    unset "${fewer[@]%%=*}"
}
no_gic() {
    on_other_host FEWER_GICS=2,3 -- 1 "$guests/$stock/vmlinuz"
    grep -q "this host's KVM has neither a GICv3 nor a GICv2 for guests" errors
}
# RAM begins at 1 GiB; 36 bits of address reach to 64 GiB.
memory_beyond_addresses() {
    on_other_host FEWER_ADDRESS_BITS=36 -- 35 --mem 64513M "$guests/$stock/vmlinuz"
    grep -q -- "--mem: at most 64512 MiB; this host's KVM gives guests addresses of 36 bits" errors
}

# wrong KERNEL WORDS: it is refused, in these words.
wrong() {
    boot 1 "$1"
    grep -q "$2" errors
}
x86_kernel() { wrong "$made/bzImage" 'an x86_64 bzImage; this is an arm64 host'; }

# le32 NUMBER
le32() {
    local i
    for i in 0 8 16 24; do printf '%b' "\\x$(printf '%02x' $(($1 >> i & 255)))"; done
}

# make_zboot METHOD PAYLOAD: an EFI zboot image as the kernel's build lays it out: header, payload,
# and, gzip's apart, the size of what it unpacks to.
make_zboot() {
    local image=$guests/$stock/vmlinuz
    {
        printf 'MZ\0\0zimg'
        le32 4096
        le32 "$(stat -c %s "$2")"
        le32 0
        le32 0
        printf '%s' "$1"
    } >"$made/zboot-header"
    truncate -s 4096 "$made/zboot-header"
    cat "$made/zboot-header" "$2"
    [ "$1" = gzip ] || le32 "$(stat -c %s "$image")"
}

make_packed() {
    local image=$guests/$stock/vmlinuz cc=aarch64-linux-gnu-gcc
    [ "$arch" != "$host" ] || cc=gcc
    "$cc" -O2 -Wall -Wextra -Werror -shared -fPIC -o "$made/fewer_kvm.so" "$top/tests/boot/fewer_kvm.c"
    "$cc" -O2 -Wall -Wextra -Werror -static -o "$made/pair" "$top/guests/pair.c"
    "$top/guests/addfiles.sh" "$made/$stock.input" "$made/$stock.pair" "$made/pair"
    gzip -1 -n -c "$image" >"$made/Image.gz"
    zstd -q -f -1 "$image" -o "$made/Image.zst"
    make_zboot gzip "$made/Image.gz" >"$made/zboot-gzip"
    make_zboot zstd22 "$made/Image.zst" >"$made/zboot-zstd"
    { head -c 514 /dev/zero && printf 'HdrS' && head -c 1000 /dev/zero; } >"$made/bzImage"
}

boot_case counting kernel-image image arm64
boot_case counting kernel-image-gz image_gz arm64
boot_case counting kernel-zboot-gzip zboot_gzip arm64
boot_case counting kernel-zboot-zstd zboot_zstd arm64
boot_case counting kernel-device-tree device_tree arm64
boot_case counting kernel-of-x86 x86_kernel arm64
boot_case counting alarm alarm arm64
boot_case counting no-gic no_gic arm64
boot_case counting memory-beyond-addresses memory_beyond_addresses arm64
boot_case gicv2 gic-v2 gic_v2 arm64
boot_case gicv2 gic-v2-cpus too_many_cpus_for_gic_v2 arm64

# On another host only these are run, in an emulated machine, which takes a minute or so for each
# guest; the rest is x86_64's as well, but for what a kernel is packed in, which unit tests see to.
# ALL_CASES=1 runs all.
arm64_few=(alarm kernel-device-tree kernel-of-x86 no-gic memory-beyond-addresses gic-v2
    gic-v2-cpus four-cpus command end-reboot end-panic-untold grid-play tone-alsa pci-tone)

# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# For tests/bench/run.sh to source: what a read from a disk costs, guest and host together, beside the
# installed QEMU: direct in the guest, from a file that the host has in its cache.

disk_prepare() {
    "$cc" -D_GNU_SOURCE -O2 -static -o "$made/disk_read" "$here/disk_read.c"
    "$top/guests/mkinitramfs.sh" "${guest##*/}" "$made/disk.cpio" disk
    "$top/guests/addfiles.sh" "$made/disk.cpio" "$made/disk.cpio" "$made/disk_read"
}

# disk_run SIZE COUNT COMMAND...: what the process took for all of it, in millions of instructions, is
# left in $ms. COMMAND ends with the option that takes the kernel's command line.
disk_run() {
    local status=0 TIMEFORMAT='%3U %3S' words="quiet linnet.job=reads linnet.arg=$1 linnet.arg=$2"
    shift 2
    words="$disk_console$words"
    { time timeout --foreground 600 "$@" "$words" </dev/null >console 2>errors; } 2>used || status=$?
    if [ "$status" != 0 ] || ! grep -q '^linnet-job: reads ok' console; then
        echo "bench: disk: status $status: $(tail -n 1 console errors)" >&2
        return 1
    fi
    ms=$(awk '{ printf "%.0f", 1000 * ($1 + $2) }' used)
}

# disk_row NAME SIZE COUNT COMMAND...: a read's share: of COUNT more reads, after a first run that
# brings what is read into the cache.
disk_row() {
    local name=$1 size=$2 count=$3 few
    shift 3
    disk_run "$size" "$count" "$@"
    disk_run "$size" "$count" "$@"
    few=$ms
    disk_run "$size" $((5 * count)) "$@"
    echo "disk.$name $(((ms - few) * 1000 / (4 * count))) kinstr/read"
}

disk_rows() {
    local disk_console= linnet_command qemu_command
    dd if=/dev/urandom of=disk.img bs=1M count=64 status=none
    linnet_command=("$linnet" run "${mem[@]}" --initrd "$made/disk.cpio" --kernel-cache "dir:$work/kept"
        --kernel "$guest/vmlinuz" --disk disk.img --append)
    disk_row linnet.read_4k 4096 5000 "${linnet_command[@]}"
    disk_row linnet.read_128k 131072 1000 "${linnet_command[@]}"
    [ "$arch" = x86_64 ] || return 0
    # shellcheck disable=SC2054 # the commas are an argument of QEMU
    qemu_command=(qemu-system-x86_64 -M "microvm,acpi=on,pit=off,pic=off,rtc=off" -accel kvm
        -cpu host -m "${mem[1]}" -nodefaults -no-user-config -display none -no-reboot
        -serial stdio -global virtio-mmio.force-legacy=false -initrd "$made/disk.cpio"
        -drive "if=none,id=disk,file=disk.img,format=raw,aio=io_uring" -device "virtio-blk-device,drive=disk"
        -kernel "$guest/vmlinuz" -append)
    disk_console="console=ttyS0 "
    disk_row qemu.read_4k 4096 5000 "${qemu_command[@]}"
    disk_row qemu.read_128k 131072 1000 "${qemu_command[@]}"
}

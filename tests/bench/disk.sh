# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# For tests/bench/run.sh to source, beside the installed QEMU: what a read from a disk costs, guest and
# host together, direct in the guest, once from a file on ext4 that the host has in its cache, which is
# copied (a byte is an instruction in the counting machine), and once past the host's cache from a device
# that moves no data (null_blk); and what it takes to boot a Debian from a disk.
debian=$top/build/guests/root # guests/mkroot.sh
disk_counts=([4096]=20000 [131072]=5000)

disk_prepare() {
    "$cc" -D_GNU_SOURCE -O2 -static -o "$made/disk_read" "$here/disk_read.c"
    "$top/guests/mkinitramfs.sh" "${guest##*/}" "$made/disk.cpio" disk
    "$top/guests/addfiles.sh" "$made/disk.cpio" "$made/disk.cpio" "$made/disk_read"
}

# cpu_ms PID: all of its CPU time so far.
cpu_ms() {
    local stat
    read -ra stat < <(sed 's/.*) //' "/proc/$1/stat")
    echo $(((stat[11] + stat[12]) * 1000 / $(getconf CLK_TCK)))
}

# disk_commands FILE LINNET QEMU: sets linnet_command and qemu_command, for a disk with those options.
# The guest's command line is to follow.
disk_commands() {
    linnet_command=("$linnet" run "${mem[@]}" --initrd "$made/disk.cpio" --kernel-cache "dir:$work/kept"
        --kernel "$guest/vmlinuz" --disk "path=$1$2" --append)
    # shellcheck disable=SC2054 # the commas are an argument of QEMU
    qemu_command=(qemu-system-x86_64 -M "microvm,acpi=on,pit=off,pic=off,rtc=off" -accel kvm
        -cpu host -m "${mem[1]}" -nodefaults -no-user-config -display none -no-reboot
        -serial stdio -global virtio-mmio.force-legacy=false -initrd "$made/disk.cpio"
        -drive "if=none,id=disk,file=$1,format=raw,aio=io_uring$3" -device "virtio-blk-device,drive=disk"
        -kernel "$guest/vmlinuz" -append)
}

# disk_rows_of NAME WORDS COMMAND...: the second of two turns, as the first one fills the cache.
disk_rows_of() {
    local name=$1 words="$2 quiet linnet.job=reads" size before pid
    shift 2
    for size in "${!disk_counts[@]}"; do
        words+=" linnet.arg=$size linnet.arg=${disk_counts[$size]}"
    done
    : >console
    "$@" "$words" </dev/null >console 2>errors &
    pid=$!
    for size in "${!disk_counts[@]}"; do
        wait_for 600 grep -q "^linnet-reads: first $size" console
        before=$(cpu_ms "$pid")
        wait_for 600 grep -q "^linnet-reads: second $size" console
        echo "disk.$name.$((size / 1024))k $((($(cpu_ms "$pid") - before) * 1000 / disk_counts[size])) kinstr/read"
    done
    wait "$pid"
}

disk_rows() {
    local linnet_command qemu_command where
    modprobe -C /dev/null -d "$guest/modules" ext4
    # As much in one request as disks take: it alone would split 128 KiB, after 255 sectors.
    modprobe -C /dev/null -d "$guest/modules" null_blk max_sectors=2560
    truncate -s 128M ext4.img
    PATH=$PATH:/sbin mke2fs -q -t ext4 ext4.img
    mkdir ext4
    mount -o loop ext4.img ext4
    dd if=/dev/urandom of=ext4/disk.img bs=1M count=64 status=none
    for where in "cached ext4/disk.img" "direct /dev/nullb0 ,direct ,cache=none"; do
        # shellcheck disable=SC2086 # words
        set -- $where
        disk_commands "$2" "${3-}" "${4-}"
        disk_rows_of "linnet.$1" '' "${linnet_command[@]}"
        [ "$arch" != x86_64 ] || disk_rows_of "qemu.$1" console=ttyS0 "${qemu_command[@]}"
    done
    umount ext4
}

# debian_row NAME WORDS COMMAND...: until its login, with a fresh copy of the image, after a short boot
# that brings what is read into the cache.
debian_row() {
    local name=$1 words="$2 quiet linnet.job" pid
    shift 2
    cp --sparse=always "$debian/root.img" disk.img
    "$@" "$words=poweroff" </dev/null >console 2>&1
    : >console
    "$@" "$words=switch systemd.show_status=0" </dev/null >console 2>errors &
    pid=$!
    wait_for 600 grep -q 'guest login:' console
    echo "debian.$name.login $(cpu_ms "$pid") Minstr"
    end_background
}

debian_rows() {
    local linnet_command qemu_command mem=(--mem 512)
    disk_commands disk.img '' ''
    debian_row linnet '' "${linnet_command[@]}"
    [ "$arch" != x86_64 ] || debian_row qemu console=ttyS0 "${qemu_command[@]}"
}

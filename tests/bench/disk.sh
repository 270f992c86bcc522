# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# For tests/bench/run.sh to source, beside the installed QEMU: what a read from a disk costs, guest and
# host together, direct in the guest, once from a file that the host has in its cache, which is copied (a
# byte is an instruction in the counting machine), and once past the host's cache from a device that
# moves no data (null_blk); and what it takes to boot a Debian from a disk.
debian=$top/build/guests/root # guests/mkroot.sh

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

# disk_commands FILE LINNET QEMU: sets linnet_command and qemu_command for a disk with those options,
# which lack the guest's command line at their end.
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

# disk_rows_of NAME: reads of both sizes.
disk_rows_of() {
    local disk_console=
    disk_row "linnet.$1_4k" 4096 5000 "${linnet_command[@]}"
    disk_row "linnet.$1_128k" 131072 1000 "${linnet_command[@]}"
    [ "$arch" = x86_64 ] || return 0
    disk_console="console=ttyS0 "
    disk_row "qemu.$1_4k" 4096 5000 "${qemu_command[@]}"
    disk_row "qemu.$1_128k" 131072 1000 "${qemu_command[@]}"
}

disk_rows() {
    local linnet_command qemu_command
    dd if=/dev/urandom of=disk.img bs=1M count=64 status=none
    disk_commands disk.img '' ''
    disk_rows_of read
    modprobe -C /dev/null -d "$guest/modules" null_blk
    disk_commands /dev/nullb0 ,direct ,cache=none
    disk_rows_of direct
}

# debian_row NAME WORDS COMMAND...: until its login, with a fresh copy of the image; of two, the lesser,
# as the first one reads files that are not yet in the cache.
debian_row() {
    local name=$1 words=$2 least=0 turn stat=() pid
    shift 2
    for turn in 1 2; do
        cp --sparse=always "$debian/root.img" disk.img
        "$@" "$words quiet linnet.job=switch systemd.show_status=0" </dev/null >console 2>errors &
        pid=$!
        wait_for 600 grep -q 'guest login:' console
        read -ra stat < <(sed 's/.*) //' "/proc/$pid/stat")
        end_background
        [ "$turn" = 1 ] || [ $((stat[11] + stat[12])) -lt "$least" ] || continue
        least=$((stat[11] + stat[12]))
    done
    echo "debian.$name.login $((least * 1000 / $(getconf CLK_TCK))) Minstr"
}

debian_rows() {
    local linnet_command qemu_command mem=(--mem 512)
    disk_commands disk.img '' ''
    debian_row linnet '' "${linnet_command[@]}"
    [ "$arch" != x86_64 ] || debian_row qemu console=ttyS0 "${qemu_command[@]}"
}

# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Disks (virtio-blk).

disk_image=$made/ext4.img # as mke2fs makes it

disk_prepare() {
    "$top/guests/mkinitramfs.sh" "$stock" "$made/$stock.disk" disk
    rm -f "$disk_image"
    /sbin/mke2fs -q -t ext4 "$disk_image" 96M
}

# blocks FILE: KiB that it takes.
blocks() {
    du -k "$1" | cut -f 1
}

# disk_run OPTION...: starts the job beside us, with our lines from fd 3; sets vm.
disk_run() {
    mkfifo keys
    exec 3<>keys
    cp --sparse=always "$disk_image" vda.img
    truncate -s 2M vdb.img vdc.img
    printf 'a pattern' | dd of=vdb.img bs=512 seek=3 conv=notrunc status=none
    warm "$made/$stock.disk" "$guests/$stock/vmlinuz"
    md5sum vdb.img vdc.img >sums
    TMPDIR=$PWD "$linnet" run --cpus 2 --initrd "$made/$stock.disk" --append "$(job disk 2)" \
        --disk "path=vda.img,queues=2$1" --disk "path=vdb.img,overlay,serial=twenty bytes exactly" \
        --disk path=vdc.img,ro "$guests/$stock/vmlinuz" <keys >console 2>errors &
    vm=$!
    trap 'kill -KILL "$vm" || true; cat console errors' EXIT # if something fails
}

disk_says() {
    grep -qE "^linnet-disk: $1|^linnet-job: disk failed" console
}

# Written, read, trimmed, over an image, read-only; and killed in the middle of writes after a flush.
disk_case() {
    local vm full
    disk_run "$1"
    wait_for "$boot_seconds_max" disk_says full
    full=$(blocks vda.img)
    echo >&3
    wait_for "$boot_seconds_max" disk_says trimmed
    echo "vda.img: $full KiB, trimmed $(blocks vda.img) KiB"
    (($(blocks vda.img) < full - 20000)) || fail "fstrim gave nothing back"
    echo >&3
    wait_for "$boot_seconds_max" grep -q '^linnet-job: disk ' console
    sleep 1 # it writes on
    kill -KILL "$vm"
    trap - EXIT
    wait "$vm" || true # of the signal
    cat console errors
    done_job disk
    [ "$(wc -l <errors)" = 0 ] || fail "linnet had something to say"
    md5sum -c sums || fail "an image was written that is not to be"
    [ "$(ls)" = "$(printf '%s\n' console errors keys sums vda.img vdb.img vdc.img)" ] || fail "something is left: $(ls)"
    disk_check_after_kill
}

# can_check: in the rig these are the host's programs, perhaps not for its machine.
can_check() {
    /sbin/e2fsck -V 2>/dev/null
}

disk_check_after_kill() {
    local status=0
    can_check || return 0
    /sbin/e2fsck -fp vda.img || status=$?
    [ "$status" -le 1 ] || fail "e2fsck: status $status" # 1: the journal was replayed
    check_kept
}

# What the guest has said that it keeps is in the file system of vda.img.
check_kept() {
    local kept
    kept=$(sed -n 's/^linnet-disk: kept \([0-9a-f]*\).*/\1/p' console)
    /sbin/debugfs -R "cat kept" vda.img 2>/dev/null | md5sum | grep -q "^$kept " ||
        fail "what was flushed is gone"
}

disk_plain() { disk_case ''; }

# loop FILE OPTION...: makes it a block device of 4 KiB blocks, which goes with the case; sets device.
loop() {
    device=$(losetup --show -b 4096 "${@:2}" -f "$1") || skip "no loop device to be had"
    loops+=("$device")
}

end_loops() {
    [ ${#loops[@]} = 0 ] || losetup -d "${loops[@]}"
}

# refused_disk WORDS DISK: in one line.
refused_disk() {
    local status=0
    "$linnet" run --disk "$2" "$guests/$stock/vmlinuz" </dev/null >said 2>&1 || status=$?
    cat said
    [ "$status" = 35 ] || fail "exit status $status, not 35"
    [ "$(wc -l <said)" = 1 ] || fail "not one line"
    grep -q "$1" said || fail "not \"$1\""
}

# Block devices of this host: the guest sees their block size, size and whether they can be written;
# what it trims they give back. One that is mounted, or another machine's, is refused.
disk_device() {
    local device disk other vm status=0
    loops=() # of the shell's end, too
    trap end_loops EXIT
    truncate -s 96M vda.img
    truncate -s 1M vdb.img
    loop vdb.img -r && other=$device
    loop vda.img && disk=$device
    /sbin/mke2fs -q -t ext4 -E nodiscard "$disk"
    mkdir mounted
    mount "$disk" mounted
    refused_disk "$disk is in use by this host (mounted?); unmount it" "$disk"
    umount mounted
    refused_disk "$other can't be written: .*; add ro or overlay" "$other"
    warm "$made/$stock.disk" "$guests/$stock/vmlinuz"
    "$linnet" run --initrd "$made/$stock.disk" --append "$(job disks device)" --disk "path=$disk,direct" \
        --disk "path=$other,ro" "$guests/$stock/vmlinuz" </dev/null >console 2>errors &
    vm=$!
    trap 'kill -KILL "$vm" || true; wait "$vm" || true; end_loops; cat console errors' EXIT # if something fails
    wait_for "$boot_seconds_max" disk_says full
    echo "vda.img: $(blocks vda.img) KiB"
    refused_disk "$disk is in use by process $vm; end that" "$disk"
    wait "$vm" || status=$?
    trap end_loops EXIT
    cat console errors
    [ "$status" = 0 ] || fail "exit status $status"
    done_job disks
    [ ! -s errors ] || fail "linnet had something to say"
    echo "vda.img, trimmed: $(blocks vda.img) KiB"
    (($(blocks vda.img) < 20000)) || fail "fstrim gave nothing back"
    disk_check_after_kill
}

boot_case smp disk disk_plain
soak_case smp disk-device disk_device

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

# disk_run OPTION...: starts the job beside us; sets vm.
disk_run() {
    cp --sparse=always "$disk_image" vda.img
    truncate -s 2M vdb.img vdc.img
    printf 'a pattern' | dd of=vdb.img bs=512 seek=3 conv=notrunc status=none
    warm "$made/$stock.disk" "$guests/$stock/vmlinuz"
    md5sum vdb.img vdc.img >sums
    TMPDIR=$PWD "$linnet" run --cpus 2 --initrd "$made/$stock.disk" --append "$(job disk 2)" \
        --disk "path=vda.img,queues=2$1" --disk "path=vdb.img,overlay,serial=twenty bytes exactly" \
        --disk path=vdc.img,ro "$guests/$stock/vmlinuz" </dev/null >console 2>errors &
    vm=$!
    trap 'kill -KILL "$vm" || true; cat console errors' EXIT # if something fails
}

disk_says() {
    grep -qE "^linnet-disk: $1|^linnet-job: disk failed" console
}

# Written, read, trimmed, over an image, read-only; and killed in the middle of writes after a flush.
disk_case() {
    local vm full kept
    disk_run "$1"
    wait_for "$boot_seconds_max" disk_says full
    full=$(blocks vda.img)
    wait_for "$boot_seconds_max" disk_says trimmed
    echo "vda.img: $full KiB, trimmed $(blocks vda.img) KiB"
    (($(blocks vda.img) < full - 20000)) || fail "fstrim gave nothing back"
    wait_for "$boot_seconds_max" disk_says kept
    sleep 1
    kill -KILL "$vm"
    trap - EXIT
    wait "$vm" || true # of the signal
    cat console errors
    done_job disk
    [ "$(wc -l <errors)" = 0 ] || fail "linnet had something to say"
    md5sum -c sums || fail "an image was written that is not to be"
    [ "$(ls)" = "$(printf '%s\n' console errors sums vda.img vdb.img vdc.img)" ] || fail "something is left: $(ls)"
    [ "$arch" = "$host" ] || return 0 # whose programs these are
    kept=$(sed -n 's/^linnet-disk: kept \([0-9a-f]*\).*/\1/p' console)
    disk_check_after_kill "$kept"
}

disk_check_after_kill() {
    local status=0
    /sbin/e2fsck -fp vda.img || status=$?
    [ "$status" -le 1 ] || fail "e2fsck: status $status" # 1: the journal was replayed
    /sbin/debugfs -R "cat kept" vda.img 2>/dev/null | md5sum | grep -q "^$1 " || fail "what was flushed is gone"
}

disk_plain() { disk_case ''; }

boot_case smp disk disk_plain

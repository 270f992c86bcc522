# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Long proofs of disks, for `make soak`.

debian=$guests/root # guests/mkroot.sh
kills=${KILLS:-20}

# A Debian with systemd comes up to its login, on an overlay.
disk_debian() {
    local vm
    warm "$made/$stock.disk" "$debian/root.img" "$guests/$stock/vmlinuz"
    md5sum "$debian/root.img" >sum
    TMPDIR=$PWD "$linnet" run --cpus 2 --mem 1G --initrd "$made/$stock.disk" \
        --append "$(job switch) systemd.show_status=0" \
        --disk "path=$debian/root.img,overlay,queues=2" "$guests/$stock/vmlinuz" </dev/null >console 2>errors &
    vm=$!
    trap 'kill -KILL "$vm" || true; cat console errors' EXIT # if something fails
    wait_for 900 grep -q 'guest login:' console
    kill "$vm"
    trap - EXIT
    wait "$vm" || true # of the signal
    cat console errors
    [ ! -s errors ] || fail "linnet had something to say"
    md5sum -c sum || fail "the image was written"
}

# disk_fio [DISK]: checksums of what is written by four queues.
disk_fio() {
    truncate -s 256M vdb.img
    warm "$debian/root.img"
    boot 0 --cpus 4 --mem 1G --initrd "$made/$stock.disk" --append "$(job disks fio)" \
        --disk "path=$debian/root.img,ro" --disk "path=${1-vdb.img},queues=4" "$guests/$stock/vmlinuz"
    done_job disks
}

# The same on a block device.
disk_fio_device() {
    local device
    truncate -s 256M vdb.img
    device=$(losetup -f --show vdb.img) || skip "no loop device to be had"
    # shellcheck disable=SC2064 # with its value
    trap "losetup -d $device" EXIT # if something fails
    disk_fio "$device"
    trap - EXIT
    losetup -d "$device"
}

# As disk_fio, where io_uring is denied.
disk_fio_without_uring() {
    local saved
    saved=$(cat /proc/sys/kernel/io_uring_disabled)
    echo 2 >/proc/sys/kernel/io_uring_disabled || skip "io_uring can't be denied here"
    # shellcheck disable=SC2064 # with its value
    trap "echo $saved >/proc/sys/kernel/io_uring_disabled" EXIT
    disk_fio
}

# Killed in the middle of writes, again and again: the file system is whole each time.
disk_kills() {
    local vm i status
    can_check || skip "e2fsck is not for this machine"
    cp --sparse=always "$disk_image" vda.img
    for ((i = 1; i <= kills; i++)); do
        : >console # that of the run before says what is waited for
        warm "$made/$stock.disk" "$guests/$stock/vmlinuz"
        "$linnet" run --initrd "$made/$stock.disk" --append "$(job disks kill)" --disk vda.img \
            "$guests/$stock/vmlinuz" </dev/null >console 2>errors &
        vm=$!
        trap 'kill -KILL "$vm" || true; cat console errors' EXIT # if something fails
        wait_for "$boot_seconds_max" grep -q '^linnet-disk: busy' console
        sleep "0.$((RANDOM % 900 + 100))"
        kill -KILL "$vm"
        trap - EXIT
        wait "$vm" || true # of the signal
        [ ! -s errors ] || fail "linnet had something to say"
        status=0
        /sbin/e2fsck -fp vda.img || status=$?
        [ "$status" -le 1 ] || fail "kill $i: e2fsck: status $status"
        echo "kill $i: $(tail -n 1 console), e2fsck status $status"
    done
}

# 3 GiB copied from one disk to another, which goes past this host's cache.
disk_large() {
    local boot_seconds_max=3600 mib=1048576 i
    head -c $((1024 * mib)) /dev/urandom >vdb.img
    truncate -s 3G vda.img
    boot 0 --mem 512M --initrd "$made/$stock.disk" --append "$(job disks large)" --disk vda.img,direct \
        --disk path=vdb.img,ro "$guests/$stock/vmlinuz"
    done_job disks
    for i in 0 1 2; do
        tail -c +$((i * 300 * mib + 1)) vdb.img
        head -c $((i * 300 * mib)) vdb.img
    done | cmp - vda.img || fail "the file has something else"
}

# The host's disk is full: the guest is told, loses nothing that it has flushed, and goes on.
disk_full() {
    local status=0
    mkdir small
    mount -t tmpfs -o size=24m tmpfs small || skip "not root, so it can't make a small file system"
    trap 'umount small' EXIT # if something fails
    cp --sparse=always "$disk_image" small/vda.img
    warm "$made/$stock.disk" "$guests/$stock/vmlinuz"
    "$linnet" run --initrd "$made/$stock.disk" --append "$(job disks full)" --disk small/vda.img \
        "$guests/$stock/vmlinuz" </dev/null >console 2>errors || status=$?
    cat console errors
    [ "$status" = 0 ] || fail "exit status $status"
    done_job disks
    grep -q 'disk0: write at byte [0-9]*: No space left on device' errors || fail "linnet did not say why"
    cp --sparse=always small/vda.img vda.img # to where there is room
    umount small
    trap - EXIT
    can_check || return 0
    /sbin/e2fsck -fy vda.img || true # it has errors, of course
    check_kept
}

soak_case smp disk-full disk_full
soak_case smp disk-fio disk_fio x86_64
soak_case smp disk-fio-device disk_fio_device x86_64
soak_case smp disk-fio-without-uring disk_fio_without_uring x86_64
soak_case smp disk-large disk_large
soak_case smp disk-kills disk_kills
soak_case smp disk-debian disk_debian x86_64

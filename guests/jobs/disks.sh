# SPDX-License-Identifier: BSD-3-Clause
# disks TEST: a long proof of a disk. fio: with the Debian of vda, on vdb. kill: writes to the ext4 of
# vda, flushes, and says so, until killed. large: the GiB of vdb to vda, three times, each of which
# begins elsewhere. full: more into the ext4 of vda than the host has room for. device: with an ext4 of 4 KiB
# blocks on vda, and a read-only vdb.
load virtio_blk
load ext4
mkdir /disk
dd if=/dev/urandom of=/tmp/random bs=1M count=24 2>/dev/null

test_fio() {
    mount -t ext4 -o ro /dev/vda /disk && mount -t devtmpfs dev /disk/dev && mount -t proc proc /disk/proc ||
        fail "mount"
    [ "$(ls /sys/block/vdb/mq | wc -l)" = 4 ] || fail "not 4 queues"
    chroot /disk fio --name=verify --filename=/dev/vdb --rw=randrw --bsrange=512-64k \
        --size=64m --numjobs=4 --offset_increment=64m --ioengine=libaio --iodepth=32 --direct=1 \
        --verify=crc32c --verify_fatal=1 --do_verify=1 --group_reporting --thread --minimal >/tmp/fio || fail "fio"
    echo "fio: $(cut -d ';' -f 5,6,47 /tmp/fio)"
}

test_kill() {
    mount -t ext4 /dev/vda /disk || fail "mount"
    i=0
    while i=$((i + 1)); do
        tail -c +$((i * 7919)) /tmp/random | head -c $((i * 10007 % 4000000 + 1)) >/disk/file$((i % 5))
        mv /disk/file$((i % 5)) /disk/moved$((i % 7))
        [ $((i % 4)) != 0 ] || sync /disk/moved$((i % 7))
        [ $i != 4 ] || echo "linnet-disk: busy $(md5sum </disk/moved4 | cut -d ' ' -f 1)"
    done
}

# copy FROM TO COUNT: MiB of vdb.
copy() {
    dd if=/dev/vdb of=/dev/vda bs=1M skip="$1" seek="$2" count="$3" iflag=direct oflag=direct 2>/dev/null || fail "copy"
}

test_large() {
    for i in 0 1 2; do
        copy $((i * 300)) $((i * 1024)) $((1024 - i * 300))
        copy 0 $((i * 1024 + 1024 - i * 300)) $((i * 300))
    done
}

test_full() {
    mount -t ext4 -o errors=continue /dev/vda /disk || fail "mount"
    dd if=/tmp/random of=/disk/kept bs=1M count=4 conv=fsync 2>/dev/null || fail "write"
    echo "linnet-disk: kept $(md5sum </disk/kept | cut -d ' ' -f 1)"
    ! dd if=/dev/urandom of=/disk/large bs=1M count=64 conv=fsync 2>/dev/null || fail "there was room"
    echo 3 >/proc/sys/vm/drop_caches
    dd if=/tmp/random bs=1M count=4 2>/dev/null | cmp - /disk/kept || fail "kept"
}

test_device() {
    echo "blocks: $(cat /sys/block/vda/queue/logical_block_size), sizes: $(cat /sys/block/vd[ab]/size | tr '\n' ' ')"
    [ "$(cat /sys/block/vd[ab]/queue/logical_block_size | tr '\n' ' ')" = "4096 4096 " ] || fail "block size"
    [ "$(cat /sys/block/vd[ab]/size | tr '\n' ' ')" = "196608 2048 " ] || fail "size"
    [ "$(blockdev --getro /dev/vda) $(blockdev --getro /dev/vdb)" = "0 1" ] || fail "read-only"
    mount -t ext4 /dev/vda /disk && cp /tmp/random /disk/large && sync || fail "write"
    echo "linnet-disk: full"
    echo 3 >/proc/sys/vm/drop_caches
    cmp /tmp/random /disk/large || fail "what was read is not what was written"
    dd if=/tmp/random of=/disk/kept bs=1M count=4 conv=fsync 2>/dev/null || fail "write"
    rm /disk/large && sync && fstrim -v /disk || fail "fstrim"
    echo "linnet-disk: kept $(md5sum </disk/kept | cut -d ' ' -f 1)"
    umount /disk || fail "umount"
}

"test_$1"
ok

# SPDX-License-Identifier: BSD-3-Clause
# disk QUEUES: three disks, of which vda has an ext4 and as many queues, vdb is an overlay over zeroes
# with a pattern at its sector 3, and vdc is read-only. The host looks at the images when it says so, and
# answers with a line. Ends by writing to vda until it is killed.
load virtio_blk
load ext4

# hash FILE: of what the disk has, not of what is in memory.
hash() {
    echo 3 >/proc/sys/vm/drop_caches
    md5sum <"$1" | cut -d ' ' -f 1
}

queue=/sys/block/vda/queue
echo "serial: $(cat /sys/block/vda/serial) $(cat /sys/block/vdb/serial)"
echo "blocks: $(cat $queue/logical_block_size) $(cat $queue/physical_block_size) $(cat $queue/minimum_io_size)"
echo "queues: $(ls /sys/block/vda/mq | wc -l)"
echo "cache: $(cat $queue/write_cache)"
[ "$(ls /sys/block/vda/mq | wc -l)" = "$1" ] || fail "not $1 queues"
[ "$(cat /sys/block/vdb/serial)" = "twenty bytes exactly" ] || fail "vdb: $(cat /sys/block/vdb/serial)"

mkdir /disk
mount -t ext4 /dev/vda /disk || fail "mount"
dd if=/dev/urandom of=/tmp/random bs=1M count=24 2>/dev/null
want=$(md5sum </tmp/random | cut -d ' ' -f 1)
cp /tmp/random /disk/large && sync
[ "$(hash /disk/large)" = "$want" ] || fail "vda: what was read is not what was written"
dd if=/tmp/random of=/disk/direct bs=512k count=8 oflag=direct 2>/dev/null || fail "direct write"
dd if=/disk/direct of=/tmp/direct bs=4k iflag=direct 2>/dev/null || fail "direct read"
cmp -s -n 4194304 /tmp/random /tmp/direct || fail "vda: direct"
echo "linnet-disk: full"
read -r _

# One CPU each at the same time, in other parts of the disk; then all of it at once.
for i in 1 2 3 4; do
    dd if=/tmp/random of=/disk/part$i bs=4k skip=$((i * 512)) count=512 conv=fsync 2>/dev/null &
done
wait
for i in 1 2 3 4; do
    dd if=/tmp/random bs=4k skip=$((i * 512)) count=512 2>/dev/null | cmp -s - /disk/part$i || fail "part $i"
done

rm /disk/*[1-4] /disk/direct /disk/large && sync
fstrim -v /disk || fail "fstrim"
echo "linnet-disk: trimmed"
read -r _

# A sector alone, two with the pattern between, and what is around them.
one() { dd if=/tmp/random of=/dev/vdb bs=512 count="$2" seek="$1" oflag=direct conv=notrunc 2>/dev/null; }
pattern=$(dd if=/dev/vdb bs=512 skip=3 count=1 2>/dev/null | md5sum)
one 2 1 && one 4 1 && one 1000 37 || fail "vdb: write"
echo 3 >/proc/sys/vm/drop_caches
{ dd if=/dev/zero bs=512 count=2 && dd if=/tmp/random bs=512 count=1 &&
    dd if=/dev/vdb bs=512 skip=3 count=1 iflag=direct && dd if=/tmp/random bs=512 count=1 &&
    dd if=/dev/zero bs=512 count=995 && dd if=/tmp/random bs=512 count=37; } 2>/dev/null >/tmp/expected
cmp -n $((1037 * 512)) /tmp/expected /dev/vdb || fail "vdb: what was read is not what was written"
[ "$(dd if=/dev/vdb bs=512 skip=3 count=1 2>/dev/null | md5sum)" = "$pattern" ] || fail "vdb: the pattern"

[ "$(blockdev --getro /dev/vdc)" = 1 ] || fail "vdc can be written"
blockdev --setrw /dev/vdc
! dd if=/dev/zero of=/dev/vdc bs=4k count=1 conv=fsync 2>/dev/null || fail "vdc was written"

dd if=/tmp/random of=/disk/kept bs=1M count=4 conv=fsync 2>/dev/null
sync
echo "linnet-disk: kept $(hash /disk/kept)"
ok
while :; do
    dd if=/dev/urandom of=/disk/lost bs=64k count=64 2>/dev/null
    cp /disk/lost /disk/lost2
done

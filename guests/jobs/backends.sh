# SPDX-License-Identifier: BSD-3-Clause
# backends: disks of three other processes (vda; vdb raw, vdc qcow2), a share of one, "tag", and a sound card
# of one. The host pauses us when we say so, and answers with a line; it compares what was written, and at the
# end kills who serves vdb.
load virtio_blk
load virtiofs
load virtio_snd

dd if=/dev/urandom of=/tmp/random bs=1M count=1 2>/dev/null

# check DISK: what was written is there, as the disk has it.
check() {
    echo 3 >/proc/sys/vm/drop_caches
    cmp -n 1048576 /tmp/random "/dev/$1" || fail "$1: what was read is not what was written"
}

for disk in vda vdb vdc; do
    dd if=/tmp/random of=/dev/$disk bs=64k oflag=direct 2>/dev/null || fail "$disk: write"
    blockdev --flushbufs /dev/$disk
    check $disk
done
aplay -q -D hw:0,0 /tone.wav || fail "aplay status $?"

# In use all the time, by several requests at once, while the host stops the machine and lets it go.
for disk in vda vdb vdc; do
    for part in 0 1; do
        while [ ! -e /tmp/enough ]; do
            dd if=/dev/$disk of=/dev/null bs=64k skip=$((part * 16)) count=16 iflag=direct 2>/dev/null ||
                fail "$disk: read"
        done &
    done
done
echo "linnet-backends: busy"
read -r _
: >/tmp/enough
wait
check vdc

# The driver leaves and comes back: a reset, and another life.
device=$(basename "$(readlink -f /sys/block/vdb/device)")
echo "$device" >/sys/bus/virtio/drivers/virtio_blk/unbind
echo "$device" >/sys/bus/virtio/drivers/virtio_blk/bind
[ -e /dev/vdb ] || fail "vdb did not come back"
check vdb

mkdir /share
mount -t virtiofs tag /share || fail "mount of the share"
[ "$(cat /share/text)" = "of the host" ] || fail "share: read"
cp /tmp/random /share/written && sync || fail "share: write"
md5sum </tmp/random >/share/sum

echo "linnet-backends: written"
await [ -e /share/killed ]
dd if=/dev/vdb of=/tmp/none bs=4k count=1 iflag=direct 2>/dev/null & # nobody will answer
sleep 1
check vda
check vdc
[ "$(cat /share/killed)" = yes ] || fail "share: read"
umount /share || fail "umount"
ok

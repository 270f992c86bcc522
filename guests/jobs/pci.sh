# SPDX-License-Identifier: BSD-3-Clause
# pci DEVICES SUM: looks at that many functions of a PCI bus; reads a disk, whose SHA-256 that is, if
# this initramfs has its driver; then takes the entropy device away in every
# way that there is, and moves its interrupts from CPU to CPU, while random numbers are read.
count=0
for dev in /sys/bus/pci/devices/*; do
    count=$((count + 1))
    driver=$(readlink "$dev/driver") || driver=none
    echo "pci: ${dev##*/} $(cat "$dev/vendor"):$(cat "$dev/device") driver ${driver##*/}" \
        "vectors $(ls "$dev/msi_irqs" 2>/dev/null | wc -l)"
    [ "${driver##*/}" = virtio-pci ] || fail "${dev##*/}: no driver"
    virtio=$(echo "$dev"/virtio*)
    [ ! -e "$virtio/driver" ] || [ "$(cut -c 35 "$virtio/features")" = 1 ] ||
        fail "${dev##*/}: rings are not packed"
done
[ "$count" = "$1" ] || fail "$count functions, not $1"
load virtio_blk
if [ -e /dev/vda ]; then
    sum=$(sha256sum </dev/vda)
    [ "${sum%% *}" = "$2" ] || fail "the disk is not what it was"
    echo "pci: disk read"
fi
grep -i msi /proc/interrupts

rng=/sys/bus/pci/devices/0000:00:00.0
grep -q '^0x1044' $rng/device || fail "slot 0 is not the entropy device"

# The interrupt of its queue, the last one that it has; 0: none.
irq_of_queue() {
    ls $rng/msi_irqs | sort -n | tail -n 1
}

# Reads more than the kernel may have kept from before.
numbers() {
    [ "$(dd if=/dev/hwrng bs=512 count=8 2>/dev/null | wc -c)" = 4096 ] || fail "$1: no random numbers"
}

# goes_on WHAT FILE BYTES: FILE grows by that.
goes_on() {
    local size tries=0
    size=$(stat -c %s "$2")
    while [ "$(stat -c %s "$2")" -lt $((size + $3)) ]; do
        tries=$((tries + 1))
        [ $tries -lt 600 ] || fail "$1: no random numbers any more"
        usleep 20000
    done
}

numbers "at first"
if [ -e /sys/devices/system/cpu/cpu1 ]; then
    dd if=/dev/hwrng of=/numbers bs=64 2>/dev/null &
    reader=$!
    for i in $(seq 100); do
        echo $((i % 2)) >"/proc/irq/$(irq_of_queue)/smp_affinity_list" || fail "affinity"
        goes_on "affinity, $i times" /numbers 256
    done
    kill $reader
    wait $reader
fi
for i in $(seq 10); do
    echo 0000:00:00.0 >/sys/bus/pci/drivers/virtio-pci/unbind || fail "unbind"
    echo 0000:00:00.0 >/sys/bus/pci/drivers/virtio-pci/bind || fail "bind"
    numbers "driver bound again, $i times"
done
for i in $(seq 10); do
    echo 1 >$rng/remove || fail "remove"
    [ ! -e $rng ] || fail "it is still there"
    echo 1 >/sys/bus/pci/rescan || fail "rescan"
    numbers "found again, $i times"
done
ok

# SPDX-License-Identifier: BSD-3-Clause
# input: says which input devices there are and what comes from them: first of "linnet keyboard" 12
# events, of "linnet touch screen" 8; then its keyboard's second lamp is lit. pmem0 is an ext4 with
# files whose hashes are in the file "sums". At the end the host cuts it off.
# input NAME: 8 events of that device, then its second lamp is lit.
load virtio_input
load evdev

# node NAME: of the device that is called so.
node() {
    for node in /sys/class/input/event*; do
        [ "$(cat "$node/device/name")" != "$1" ] || echo "/dev/input/${node##*/}"
    done
}

# events NAME COUNT: a line each: type, code, value.
events() {
    dd bs=24 count="$2" 2>/dev/null | od -A n -v -t d2 -w24 |
        awk -v name="$1" '{ print "linnet-input: " name, $9, $10, $11 }'
}

# light NODE: EV_LED, LED_CAPSL, 1.
light() {
    printf '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\21\0\1\0\1\0\0\0' >"$1"
}

for node in /sys/class/input/event*/device; do
    echo "device: $(cat "$node/name"), bus $(cat "$node/id/bustype"), lamps $(cat "$node/capabilities/led"), axes $(cat "$node/capabilities/abs")"
done
keyboard=$(node "${1:-linnet keyboard}")
[ -n "$keyboard" ] || fail "no keyboard"
exec 3<"$keyboard"
if [ -n "$1" ]; then
    echo "linnet-input: ready"
    events key 8 <&3
    light "$keyboard"
    read -r _ # the host has seen it
    ok
    poweroff -f
fi
touch=$(node "linnet touch screen")
[ -n "$touch" ] || fail "no touch screen"
exec 4<"$touch"
echo "linnet-input: ready"
events key 12 <&3
events touch 8 <&4
exec 3<&- 4<&-
light "$keyboard"

load virtio_pmem
load nd_pmem
load ext4
until [ -e /dev/pmem0 ]; do sleep 0.1; done
mkdir /image
mount -t ext4 -o ro,dax /dev/pmem0 /image || fail "mount"
grep '^/dev/pmem0 ' /proc/mounts | grep -q dax || fail "no DAX: $(grep pmem0 /proc/mounts)"
(cd /image && sha256sum -c sums) || fail "what was read is not what is in the file"
umount /image
echo "pmem: $(cat /sys/block/pmem0/size) sectors"
if [ "$(uname -m)" = x86_64 ]; then # an arm64 one crashes
    printf lost | dd of=/dev/pmem0 bs=4096 seek=1 conv=fsync 2>/dev/null && fail "what is lost was flushed"
fi
ok
echo "linnet-input: cut"
read -r _
echo 3 >/proc/sys/vm/drop_caches
md5sum /dev/pmem0

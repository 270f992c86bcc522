# SPDX-License-Identifier: BSD-3-Clause
# all DEVICES: so many virtio devices are there, each has its driver, which has set it up with packed rings (feature
# 34); then the tone.
for name in virtio_snd virtio_blk virtiofs virtio_net virtio_console virtio_balloon virtio_input virtio_pmem \
    vmw_vsock_virtio_transport; do
    load $name
done
count=0
for dev in /sys/bus/virtio/devices/*; do
    count=$((count + 1))
    type=$(($(cat "$dev/device")))
    driver=$(readlink "$dev/driver") || fail "no driver for a device of type $type"
    driver=${driver##*/}
    [ $(($(cat "$dev/status"))) = 15 ] || fail "$driver: status $(cat "$dev/status")"
    echo "all: type $type driver $driver features $(cat "$dev/features")"
    [ "$(cut -c 35 "$dev/features")" = 1 ] || fail "$driver: rings are not packed"
done
[ "$count" = "$1" ] || fail "$count devices, not $1"
. /jobs/tone.sh

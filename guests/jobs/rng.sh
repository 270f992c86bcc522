# SPDX-License-Identifier: BSD-3-Clause
# Reads 64 bytes from the virtio entropy device. Every device has packed rings (feature 34).
current=$(cat /sys/class/misc/hw_random/rng_current)
echo "rng_current: $current"
case $current in
virtio_rng*) ;;
*) fail "no virtio entropy device" ;;
esac
for dev in /sys/bus/virtio/devices/*; do
    [ "$(cut -c 35 <"$dev/features")" = 1 ] || fail "${dev##*/}: rings are not packed"
done
bytes=$(dd if=/dev/hwrng bs=64 count=1 2>/dev/null | hexdump -v -e '1/1 "%02x"')
echo "rng: $bytes"
[ ${#bytes} = 128 ] || fail "$((${#bytes} / 2)) of 64 bytes"
ok

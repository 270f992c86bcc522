# SPDX-License-Identifier: BSD-3-Clause
# talk: has each driver say a few things to its device, once around, for tests/replay/record.sh. It says
# "linnet-talk: WHAT" when the host is to do that, and goes on a second later.
for name in virtio_snd virtio_blk virtiofs virtio_net virtio_console virtio_balloon virtio_input evdev \
    virtio_pmem nd_pmem vmw_vsock_virtio_transport; do
    load $name
done

dd if=/dev/hwrng bs=64 count=1 2>/dev/null | wc -c

dd if=/dev/vda of=/tmp/sector bs=4k count=1 iflag=direct 2>/dev/null
printf said | dd of=/dev/vda bs=512 seek=8 conv=fsync 2>/dev/null || echo "talk: no disk is written"

mkdir /share
mount -t virtiofs here /share && ls -l /share && cat /share/text && echo new >/share/new && umount /share

for card in eth0 eth1; do
    ip link set $card up
done
sleep 2

for port in /sys/class/virtio-ports/*; do
    echo hello >"/dev/${port##*/}"
done
echo | socat - VSOCK-CONNECT:2:4000
dd if=/dev/pmem0 bs=4k count=1 2>/dev/null | wc -c
case $(uname -m) in
aarch64) ;; # writing there would be the end
*) printf lost | dd of=/dev/pmem0 bs=4k conv=fsync 2>/dev/null || echo "talk: no flush" ;;
esac

exec 3</dev/null
for event in /sys/class/input/event*; do
    case $(cat "$event/device/name" 2>/dev/null) in
    linnet*) exec 3<"/dev/input/${event##*/}" ;;
    esac
done
echo "linnet-talk: press"
dd bs=24 count=2 <&3 2>/dev/null | wc -c
echo "linnet-talk: inflate"
sleep 1
echo "linnet-talk: deflate"
sleep 1
if [ -e /dev/snd/pcmC0D0p ]; then
    amixer -q -c 0 cset numid=1 on
    head -c 40000 /tone.wav | aplay -q -D hw:0,0 --period-size=480 --buffer-size=1920
    arecord -q -D hw:0,0 -f S16_LE -r 48000 -c 2 -s 4800 --period-size=480 --buffer-size=1920 /tmp/wav
fi
ok

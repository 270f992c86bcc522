# SPDX-License-Identifier: BSD-3-Clause
# outboard WHAT...: uses devices that processes of their own serve, one after the other.
for what; do
    case $what in
    snd) # with buffers that hold all of what is played or captured, however busy the host is
        load virtio_snd pcm_buffer_ms=3000
        aplay -q -D hw:0,0 -F 125000 -B 3000000 /tone.wav || fail "aplay status $?"
        ;;
    capture) # the host's copy of the tone
        tail -c +45 /tone.wav >/tmp/want
        arecord -q -D hw:0,0 -B 3000000 -t raw -f S16_LE -r 48000 -c 2 -s 96000 /tmp/got || fail "arecord status $?"
        cmp /tmp/got /tmp/want || fail "what was captured is not the file"
        ;;
    rng)
        [ "$(dd if=/dev/hwrng bs=64 count=1 2>/dev/null | wc -c)" = 64 ] || fail "no 64 random bytes"
        ;;
    disk) # its first MiB onto its second
        load virtio_blk
        dd if=/dev/vda of=/dev/vda bs=64k count=16 seek=16 conv=notrunc,fsync 2>/dev/null || fail "dd status $?"
        ;;
    share)
        load virtiofs
        mkdir -p /share
        mount -t virtiofs outboard /share || fail "mount"
        cp /share/in /share/out || fail "cp status $?"
        ;;
    vsock) # there and back
        load vmw_vsock_virtio_transport
        head -c 300000 /dev/urandom >/tmp/part
        socat -t 60 VSOCK-CONNECT:2:1003 - </tmp/part | cmp - /tmp/part || fail "what came back is not what was sent"
        ;;
    input) # config space is asked field by field
        load virtio_input
        grep -qx "linnet keyboard" /sys/class/input/input*/name || fail "no keyboard of linnet's"
        ;;
    hold) # until the host ends it
        echo "linnet-outboard: hold"
        sleep 1000
        ;;
    esac
    echo "linnet-outboard: $what"
done
ok

# SPDX-License-Identifier: BSD-3-Clause
# Plays /tone.wav on the first card, whose two ends are joined, and records it there; then plays the
# recording on the second card, for the host to look at. alsabat listens too.
load virtio_snd
[ -e /dev/snd/pcmC0D0c ] || fail "no capture device"
[ -e /dev/snd/pcmC1D0p ] || fail "no second card"

# got BYTES
got() {
    [ "$(stat -c %s /tmp/got)" -ge "$1" ]
}

: >/tmp/got
arecord -q -D hw:0,0 -t raw -f S16_LE -r 48000 -c 2 /tmp/got &
recorder=$!
await got 1
aplay -q -D hw:0,0 /tone.wav || fail "aplay status $?"
await got $(($(stat -c %s /tmp/got) + 96000)) # half a second behind the tone
kill -INT $recorder
wait $recorder # it calls that a failure
aplay -q -D hw:1,0 -t raw -f S16_LE -r 48000 -c 2 /tmp/got || fail "aplay of the recording"
alsabat -D hw:0,0 -f S16_LE -c 2 -r 48000 || fail "alsabat status $?"
ok

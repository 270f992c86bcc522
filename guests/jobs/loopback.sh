# SPDX-License-Identifier: BSD-3-Clause
# Plays /tone.wav on the first card, whose two ends are joined, and records it there; then plays the
# recording on the second card, for the host to look at. alsabat listens too.
load virtio_snd
[ -e /dev/snd/pcmC0D0c ] || fail "no capture device"
[ -e /dev/snd/pcmC1D0p ] || fail "no second card"
arecord -q -D hw:0,0 -t raw -f S16_LE -r 48000 -c 2 -s 144000 /tmp/got &
recorder=$!
sleep 0.3
aplay -q -D hw:0,0 /tone.wav || fail "aplay status $?"
wait $recorder || fail "arecord status $?"
aplay -q -D hw:1,0 -t raw -f S16_LE -r 48000 -c 2 /tmp/got || fail "aplay of the recording"
alsabat -D hw:0,0 -f S16_LE -c 2 -r 48000 || fail "alsabat status $?"
ok

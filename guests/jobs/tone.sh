# SPDX-License-Identifier: BSD-3-Clause
# Plays /tone.wav (440 Hz, stereo, 2 s, 48 kHz, 16 bit) on the first sound card.
load virtio_snd
[ -e /dev/snd/pcmC0D0p ] || fail "no sound device"
aplay -q -D hw:0,0 /tone.wav || fail "aplay status $?"
ok

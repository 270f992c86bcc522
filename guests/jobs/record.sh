# SPDX-License-Identifier: BSD-3-Clause
# Records 2 s from the first sound card, whose source is the host's copy of /tone.wav: the same
# samples, from the first to the last. Twice: each recording begins at the first.
load virtio_snd
[ -e /dev/snd/pcmC0D0c ] || fail "no capture device"
tail -c +45 /tone.wav >/tmp/want
for i in 1 2; do
    arecord -q -D hw:0,0 -t raw -f S16_LE -r 48000 -c 2 -s 96000 /tmp/got || fail "arecord status $?"
    cmp /tmp/got /tmp/want || fail "recording $i is not the file"
done
ok

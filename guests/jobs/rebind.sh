# SPDX-License-Identifier: BSD-3-Clause
# rebind TIMES: takes the driver away from the sound card in mid-tone and gives it back, so often;
# then plays the whole tone.
load virtio_snd
driver=/sys/bus/virtio/drivers/virtio_snd
card=
for card in "$driver"/virtio*; do card=${card##*/}; done
[ -e "$driver/$card" ] || fail "no sound device"

running() {
    grep -q RUNNING /proc/asound/card0/pcm0p/sub0/status
}

i=0
while [ $i -lt "$1" ]; do
    i=$((i + 1))
    aplay -q -D hw:0,0 /tone.wav 2>/dev/null &
    player=$!
    await running
    echo "$card" >"$driver/unbind" || fail "round $i: unbind"
    ! wait $player || fail "round $i: aplay ended well without a card"
    echo "$card" >"$driver/bind" || fail "round $i: bind"
    [ -e /dev/snd/pcmC0D0p ] || fail "round $i: no sound device any more"
done
aplay -q -D hw:0,0 /tone.wav || fail "aplay status $?"
ok

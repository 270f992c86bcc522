# SPDX-License-Identifier: BSD-3-Clause
# delay FRAMES...: while /tone.wav plays on a card, the sound is, as the kernel tells programs (snd_pcm_delay),
# so many frames behind those that the device has given back; and two channels are left and right. The first
# number is the first card's.
. /jobs/played.sh
load virtio_snd

field() {
    sed -n "s/^$1 *: *\([-0-9]*\).*/\1/p" /tmp/status
}

# delayed CARD FRAMES
delayed() {
    card=/proc/asound/card$1/pcm0p/sub0
    aplay -q -D "hw:$1,0" /tone.wav &
    player=$!
    await played "$1" 24000
    cat $card/status $card/hw_params >/tmp/status
    amixer -c "$1" cget "iface=PCM,name='Playback Channel Map'" >/tmp/map
    cat /tmp/status /tmp/map
    held=$(($(field buffer_size) - $(field avail)))
    behind=$(($(field delay) - held))
    echo "linnet-delay: $held frames in the buffer, $behind behind it"
    [ "$behind" = "$2" ] || fail "the delay is $behind frames more than the buffer holds, not $2"
    grep -q ': values=3,4' /tmp/map || fail "the channels are not left and right"
    wait $player || fail "aplay status $?"
}

card_number=0
for frames; do
    delayed $card_number "$frames"
    card_number=$((card_number + 1))
done
ok

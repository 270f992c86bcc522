# SPDX-License-Identifier: BSD-3-Clause
# drone [SECONDS [PCM...]]: plays /tone.wav again and again without a gap, in periods of 10 ms, on
# these PCMs (hw:0,0) at once: for so long, or for ever (0).
load virtio_snd
seconds=${1:-0}
[ $# = 0 ] || shift
[ $# -gt 0 ] || set -- hw:0,0
tail -c +45 /tone.wav >/tmp/tone # whole waves
repeat() {
    while cat /tmp/tone; do :; done
}
cut() {
    case $seconds in
    0) cat ;;
    *) head -c "$((seconds * 192000))" ;;
    esac
}
players=
for pcm; do
    repeat 2>/dev/null | cut |
        aplay -q -D "$pcm" -t raw -f S16_LE -r 48000 -c 2 --period-size=480 --buffer-size=1920 &
    players="$players $!"
done
for player in $players; do
    wait "$player" || fail "aplay status $?"
done
ok

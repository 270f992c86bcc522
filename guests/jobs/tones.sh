# SPDX-License-Identifier: BSD-3-Clause
# tones PCM...: plays /tone.wav on these PCMs, all at once.
load virtio_snd
players=
for pcm; do
    aplay -q -D "$pcm" /tone.wav &
    players="$players $!"
done
for player in $players; do
    wait "$player" || fail "aplay status $?"
done
ok

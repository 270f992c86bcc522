# SPDX-License-Identifier: BSD-3-Clause
# pause SECONDS: plays /tone.wav, is paused for SECONDS by the host in mid-tone, and must not notice:
# not by the player, which tells of an xrun, nor by any clock.
load virtio_snd
realtime=$(date +%s)
read -r uptime _ </proc/uptime
aplay -q -D hw:0,0 /tone.wav 2>/tmp/said &
player=$!
sleep 0.5
grep -q RUNNING /proc/asound/card0/pcm0p/sub0/status || fail "nothing is played"
echo "linnet-pause: playing"
wait $player || fail "aplay status $?"
realtime=$(($(date +%s) - realtime))
read -r now _ </proc/uptime
uptime=$((${now%.*} - ${uptime%.*}))
cat /tmp/said
echo "linnet-pause: took $realtime s by the clock, $uptime s of uptime"
[ ! -s /tmp/said ] || fail "the player noticed"
[ "$realtime" -lt "$1" ] || fail "the clock went on"
[ "$uptime" -lt "$1" ] || fail "time went on"
ok

# SPDX-License-Identifier: BSD-3-Clause
# pause: at a line from the host plays /tone.wav, is paused by the host in mid-tone, and must not notice: not by
# the player, which tells of an xrun, nor by any clock. How long it took by these is for the host to judge.
. /jobs/played.sh
load virtio_snd
echo "linnet-pause: ready"
read -r _
realtime=$(date +%s)
read -r uptime _ </proc/uptime
aplay -q -D hw:0,0 /tone.wav 2>/tmp/said &
player=$!
await played 0 12000
echo "linnet-pause: playing"
wait $player || fail "aplay status $?"
realtime=$(($(date +%s) - realtime))
read -r now _ </proc/uptime
uptime=$((${now%.*} - ${uptime%.*}))
cat /tmp/said
echo "linnet-pause: took $realtime s by the clock, $uptime s of uptime"
[ ! -s /tmp/said ] || fail "the player noticed"
ok

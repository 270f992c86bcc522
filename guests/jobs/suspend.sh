# SPDX-License-Identifier: BSD-3-Clause
# Suspends to idle in mid-tone, until there is a key on the serial port: the player is told that its
# sound was suspended and goes on, and a second tone is whole.
. /jobs/played.sh
load virtio_snd
echo enabled >"/sys/class/tty/$(cat /sys/class/tty/console/active)/power/wakeup" ||
    fail "no way to wake up"
aplay -D hw:0,0 /tone.wav 2>/tmp/said &
player=$!
await played 0 24000
echo "linnet-suspend: to sleep"
drain
echo freeze >/sys/power/state || fail "suspend"
[ "$(cat /sys/power/suspend_stats/success)" = 1 ] || fail "it did not suspend"
wait $player || fail "aplay status $? after resuming"
cat /tmp/said
grep -q '^Suspended\.' /tmp/said || fail "aplay does not know of it"
aplay -q -D hw:0,0 /tone.wav || fail "aplay status $?"
ok

# SPDX-License-Identifier: BSD-3-Clause
# Suspends to idle and resumes in mid-tone (the kernel's own test of that, without a wake-up source):
# the sound goes on, and a second tone is whole.
load virtio_snd
[ -e /sys/power/pm_test ] || fail "this kernel can't test suspending"
echo devices >/sys/power/pm_test
echo 1 >/sys/module/suspend/parameters/pm_test_delay
aplay -q -D hw:0,0 /tone.wav &
player=$!
sleep 0.5
echo freeze >/sys/power/state || fail "suspend"
wait $player || fail "aplay status $? after resuming"
aplay -q -D hw:0,0 /tone.wav || fail "aplay status $?"
ok

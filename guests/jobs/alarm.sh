# SPDX-License-Identifier: BSD-3-Clause
# Suspends to idle until the clock's alarm, as rtcwake does: two seconds by the guest's own count.
# Then writes where it may not (guests/pair.c), with the image of a --pmem at hand.
rtc=/sys/class/rtc/rtc0
[ "$(cat $rtc/name)" = "rtc-pl031 9010000.rtc" ] || fail "the clock is $(cat $rtc/name)"
before=$(cat $rtc/since_epoch)
echo +2 >$rtc/wakealarm || fail "no alarm to set"
echo freeze >/sys/power/state || fail "suspend"
[ "$(cat /sys/power/suspend_stats/success)" = 1 ] || fail "it did not suspend"
slept=$(($(cat $rtc/since_epoch) - before))
[ "$slept" -ge 2 ] || fail "woken after $slept s"
echo "alarm: woken after $slept s"
grep -q '^ *[0-9]*: *[1-9].*rtc-pl031' /proc/interrupts || fail "no interrupt of the clock"
# Who stores what KVM can't decode, into the image of a --pmem or to nothing at all, gets a SIGBUS.
load virtio_pmem
for at in "$(cat /sys/bus/nd/devices/region0/resource)" 0x20000000; do
    /data/pair "$at"
    status=$?
    [ "$status" = 135 ] || fail "pair $at: status $status"
done
ok

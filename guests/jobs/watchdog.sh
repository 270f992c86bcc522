# SPDX-License-Identifier: BSD-3-Clause
# Feeds the watchdog for longer than it waits, closes it as one should, lives on; then opens it again,
# and feeds it no more. The host pauses the machine meanwhile, for longer than it waits, too.
load wdat_wdt
load sp805_wdt
[ -c /dev/watchdog ] || fail "no watchdog"
echo "watchdog: $(cat /sys/class/watchdog/watchdog0/identity), $(cat /sys/class/watchdog/watchdog0/timeout) s"
exec 3>/dev/watchdog
for _ in 1 2 3; do
    sleep 25
    echo >&3
done
echo "linnet-watchdog: fed"
sleep 20
echo >&3
printf V >&3
exec 3>&-
sleep 130
exec 3>/dev/watchdog
ok
sleep 3600

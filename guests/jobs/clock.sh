# SPDX-License-Identifier: BSD-3-Clause
# The first things that need it have the right time, and random numbers that are random: without any
# device, before init runs. (An arm64 kernel takes the time from its clock.)
echo "clock: $(date +%s)"
dmesg >/tmp/log
seeded=$(sed -n '/random: crng init done/=' /tmp/log)
init=$(sed -n '/Run .*init as init process/=' /tmp/log)
echo "clock: seeded in line ${seeded:-none}, init in line ${init:-none}"
[ -n "$seeded" ] && [ -n "$init" ] && [ "$seeded" -lt "$init" ] || fail "not seeded before init"
ok

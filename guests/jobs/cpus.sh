# SPDX-License-Identifier: BSD-3-Clause
# Says how many CPUs the kernel runs on, what lets them idle, and how much memory it has.
echo "cpus: $(nproc)"
echo "idle: $(cat /sys/devices/system/cpu/cpuidle/current_driver)"
grep MemTotal: /proc/meminfo
ok

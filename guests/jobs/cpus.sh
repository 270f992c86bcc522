# SPDX-License-Identifier: BSD-3-Clause
# Says how many CPUs the kernel runs on, and what lets them idle.
echo "cpus: $(nproc)"
echo "idle: $(cat /sys/devices/system/cpu/cpuidle/current_driver)"
ok

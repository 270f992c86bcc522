# SPDX-License-Identifier: BSD-3-Clause
# Says which interrupt controller the device tree has; the job itself shows that it works.
echo "gic: $(tr '\0' ' ' </proc/device-tree/interrupt-controller@8000000/compatible)"
[ "$(nproc)" = 2 ] || fail "$(nproc) CPUs"
ok

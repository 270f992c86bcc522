# SPDX-License-Identifier: BSD-3-Clause
# Says how much memory the kernel has.
grep MemTotal: /proc/meminfo
ok

# SPDX-License-Identifier: BSD-3-Clause
# A plain reboot, by whatever way the kernel takes by itself.
ok
reboot -f

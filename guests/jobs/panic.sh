# SPDX-License-Identifier: BSD-3-Clause
# The kernel panics; pvpanic, where the machine has one, tells the VMM.
load pvpanic-mmio
ok
echo c >/proc/sysrq-trigger

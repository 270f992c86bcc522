# SPDX-License-Identifier: BSD-3-Clause
# A real triple fault: the kernel's own "triple" way of rebooting empties the IDT and traps.
echo triple >/sys/kernel/reboot/type || fail "no /sys/kernel/reboot/type"
ok
reboot -f

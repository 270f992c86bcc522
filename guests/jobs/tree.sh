# SPDX-License-Identifier: BSD-3-Clause
# tree PATH: says a text property of the device tree.
[ -e "/proc/device-tree/$1" ] || fail "no $1"
echo "tree: $(tr '\0' ' ' <"/proc/device-tree/$1")"
ok

# SPDX-License-Identifier: BSD-3-Clause
# tree PATH...: says these text properties of the device tree.
for path; do
    [ -e "/proc/device-tree/$path" ] || fail "no $path"
    echo "tree: $path: $(tr '\0' ' ' <"/proc/device-tree/$path")"
done
ok

#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The boot cases that take too long for `make check`: soak_case in tests/boot/, and device-* in
# tests/device/.
#
#   tests/soak.sh [CASE...]      all of them, or those whose name matches a pattern
#   tests/soak.sh --list         their names
top=$(cd "$(dirname "$0")/.." && pwd)
devices=(pause reset killed old others rust qemu-11 pause-11 reset-11 killed-11 others-11)
if [ "${1-}" = --list ]; then
    sed -n 's/^soak_case [a-z0-9]* \([a-z0-9-]*\) .*/\1/p' "$top"/tests/boot/*.sh
    printf 'device-%s\n' "${devices[@]}"
    exit
fi

[ $# -gt 0 ] || set -- '*'
wanted=() status=0
for name in "${devices[@]}"; do
    for pattern; do
        # shellcheck disable=SC2053 # a pattern
        [[ device-$name != $pattern ]] || wanted+=("$name")
    done
done
[ ${#wanted[@]} = 0 ] || "$top/tests/device/run.sh" "${wanted[@]}" || status=1
SOAK=yes "$top/tests/boot/run.sh" "$@" || status=1
exit $status

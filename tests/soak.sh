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
mapfile -t boots < <(sed -n 's/^soak_case [a-z0-9]* \([a-z0-9-]*\) .*/\1/p' "$top"/tests/boot/*.sh)
if [ "${1-}" = --list ]; then
    printf '%s\n' "${boots[@]}" "${devices[@]/#/device-}"
    exit
fi

# matches PATTERN NAME...: those of the names, without "device-" in front.
matches() {
    local name
    for name in "${@:2}"; do
        # shellcheck disable=SC2053 # a pattern
        [[ $name != $1 ]] || echo "${name#device-}"
    done
}

[ $# -gt 0 ] || set -- '*'
in_devices=() in_boots=() status=0
for pattern; do
    mapfile -t found < <(matches "$pattern" "${devices[@]/#/device-}")
    in_devices+=("${found[@]}")
    [ -z "$(matches "$pattern" "${boots[@]}")" ] || in_boots+=("$pattern")
    [ ${#found[@]} != 0 ] || [ -n "$(matches "$pattern" "${boots[@]}")" ] ||
        { echo "soak.sh: no case is named $pattern: tests/soak.sh --list has their names" >&2 && exit 1; }
done
[ ${#in_devices[@]} = 0 ] || "$top/tests/device/run.sh" "${in_devices[@]}" || status=1
[ ${#in_boots[@]} = 0 ] || SOAK=yes "$top/tests/boot/run.sh" "${in_boots[@]}" || status=1
exit $status

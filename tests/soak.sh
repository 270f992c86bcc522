#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The boot cases that take too long for `make check` (soak_case in tests/boot/).
#
#   tests/soak.sh [CASE...]      all of them, or those whose name matches a pattern
#   tests/soak.sh --list         their names
top=$(cd "$(dirname "$0")/.." && pwd)
if [ "${1-}" = --list ]; then
    exec sed -n 's/^soak_case [a-z0-9]* \([a-z0-9-]*\) .*/\1/p' "$top"/tests/boot/*.sh
fi
SOAK=yes exec "$top/tests/boot/run.sh" "$@"

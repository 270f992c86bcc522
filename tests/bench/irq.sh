# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# For tests/bench/run.sh to source: what an interrupt costs the thread that sends it (irq_cost.c).

irq_rows() {
    if [ "$arch" != x86_64 ]; then
        echo "bench: no interrupt.* rows: their guest is one of x86_64" >&2
        return
    fi
    "$top/build/$arch-release/irq_cost"
}

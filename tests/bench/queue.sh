# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# What a request costs in the virtqueue itself, on the device's side, by layout: counted by valgrind,
# so that any machine says the same (of one compiler).

# queue_cost LAYOUT SHAPE BATCH: instructions a request.
queue_cost() {
    local count
    count=$(valgrind --tool=callgrind --toggle-collect=serve --callgrind-out-file=/dev/null \
        "$top/build/$arch-release/queue_cost" "$@" 2>&1 | sed -n 's/.*Collected : *//p')
    echo "queue.$1.$2.$3 $((count / 1000 / $3)) instructions"
}

queue_rows() {
    local layout shape batch
    if ! command -v valgrind >/dev/null || [ "$arch" != "$host" ]; then
        echo "bench: no queue.* rows: they need valgrind, and an $arch host" >&2
        return
    fi
    for batch in 1 16; do
        for shape in one list table; do
            for layout in split packed; do queue_cost $layout $shape $batch; done
        done
    done
}

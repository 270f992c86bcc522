# SPDX-License-Identifier: BSD-3-Clause
# reads SIZE COUNT...: for each of these pairs reads SIZE bytes from a disk COUNT times, and once more,
# with a rest after either, for who measures it from outside.
load virtio_blk
while [ $# -gt 0 ]; do
    for turn in first second; do
        /data/disk_read /dev/vda "$1" "$2" || fail "disk_read"
        echo "linnet-reads: $turn $1"
        sleep 1
    done
    shift 2
done
ok

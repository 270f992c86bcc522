# SPDX-License-Identifier: BSD-3-Clause
# reads SIZE COUNT: COUNT reads of SIZE bytes from a disk.
load virtio_blk
/data/disk_read /dev/vda "$1" "$2" || fail "disk_read"
ok

# SPDX-License-Identifier: BSD-3-Clause
# switch: goes on as the system on /dev/vda.
load virtio_blk
load ext4
mkdir -p /root
mount -t ext4 /dev/vda /root || fail "mount"
exec switch_root /root /sbin/init

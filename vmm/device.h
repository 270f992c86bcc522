/* SPDX-License-Identifier: BSD-3-Clause */
/* `linnet device KIND`: one device as a process of its own, for another program's machine, see
 * virtio/vhost_user/backend.h. */
#pragma once

/* argv: the words behind "device", ends with NULL. Exit status, see vmm/base/exit_status.h: 0 if it
 * was told to end, or the one front-end has left, and its expectations were met. Main thread. */
int device_main(char **argv);

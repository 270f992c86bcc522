/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The guest's side of a share: FUSE messages over the fake driver, good and bad ones. The share is
 * a new folder below the working directory's $TMPDIR or /tmp.
 */
#pragma once

#include "tests/fake_driver.h"

#include <linux/fuse.h>

#define FS_CLIENT_REPLY_MAX 0x40000

struct fs_client {
    char folder[64];
    uint64_t ram_bytes; /* set before the start; 0: 4 MiB */
    struct memory mem;
    struct virtio_device *dev;
    struct fake_driver drv;
    uint64_t unique;
    uint32_t queue;                    /* where messages go: 1 */
    uint32_t room;                     /* what is offered for the answer, header too */
    uint32_t used;                     /* what the used ring says of the last one */
    struct fuse_out_header head;       /* of the last answer */
    uint8_t body[FS_CLIENT_REPLY_MAX]; /* and what follows it */
    size_t len;
};

/* A device that shares client->folder, which is made; `options` begin with a comma. */
void fs_client_start(struct fs_client *client, const char *options);
/* Also removes the folder. */
void fs_client_stop(struct fs_client *client);
/* The folder alone, for those who fill it first. */
void fs_client_folder(struct fs_client *client);

/* Sends one message: the error that comes back, 0 or negative; 1 if nothing came back. */
int fs_raw(struct fs_client *client, const void *message, size_t len);
/* The same of arguments and what follows them, with a good header. */
int fs_call(struct fs_client *client, uint32_t opcode, uint64_t node, const void *args, size_t len);
int fs_call_with(struct fs_client *client, uint32_t opcode, uint64_t node, const void *args,
                 size_t len, const void *more, size_t more_len);
/* FUSE_INIT as Linux 6.12 sends it. */
int fs_init(struct fs_client *client);
/* The answer as a struct. */
#define FS_REPLY(client, type) (*(const type *)(const void *)(client)->body)

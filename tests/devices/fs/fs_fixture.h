/* SPDX-License-Identifier: BSD-3-Clause */
/* What tests of the file system device share: one client, and the messages that most of them send.
 */
#pragma once

#include "tests/capture.h"
#include "tests/devices/fs/fs_client.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static struct fs_client client;
static struct capture capture;

/* Where a name is on the host; two at a time. */
static inline const char *at(const char *name)
{
    static char path[2][384];
    static unsigned turn;

    turn++;
    (void)snprintf(path[turn % 2], sizeof(path[0]), "%s/%s", client.folder, name);
    return path[turn % 2];
}

/* A new file of the host. */
static inline void put(const char *name, const char *text)
{
    int fd = open(at(name), O_WRONLY | O_CREAT | O_EXCL, 0644);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    ck_assert_int_eq(close(fd), 0);
}

static inline int lookup(uint64_t node, const char *name)
{
    return fs_call(&client, FUSE_LOOKUP, node, name, strlen(name) + 1);
}

static inline uint64_t entry_node(void)
{
    return FS_REPLY(&client, struct fuse_entry_out).nodeid;
}

static inline uint64_t node_in(uint64_t folder, const char *name)
{
    ck_assert_int_eq(lookup(folder, name), 0);
    ck_assert_uint_eq(client.len, sizeof(struct fuse_entry_out));
    return entry_node();
}

static inline uint64_t node_of(const char *name)
{
    return node_in(1, name);
}

static inline int getattr(uint64_t node)
{
    const struct fuse_getattr_in in = {0};

    return fs_call(&client, FUSE_GETATTR, node, &in, sizeof(in));
}

static inline int open_node(uint32_t opcode, uint64_t node, uint32_t flags)
{
    const struct fuse_open_in in = {flags, 0};

    return fs_call(&client, opcode, node, &in, sizeof(in));
}

/* The handle. */
static inline uint64_t opened(uint32_t opcode, uint64_t node)
{
    ck_assert_int_eq(open_node(opcode, node, O_RDONLY), 0);
    return FS_REPLY(&client, struct fuse_open_out).fh;
}

static inline int read_at(uint32_t opcode, uint64_t node, uint64_t fh, uint64_t offset,
                          uint32_t size)
{
    const struct fuse_read_in in = {.fh = fh, .offset = offset, .size = size};

    return fs_call(&client, opcode, node, &in, sizeof(in));
}

static inline int release(uint32_t opcode, uint64_t node, uint64_t fh)
{
    const struct fuse_release_in in = {.fh = fh};

    return fs_call(&client, opcode, node, &in, sizeof(in));
}

static inline void teardown(void)
{
    fs_client_stop(&client);
    (void)capture_end(&capture);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The files of a share that the guest knows. Each is held by an O_PATH descriptor, so that it stays
 * the same file whatever becomes of its name: replaced and deleted files can still be read. The
 * guest names it by a node id, which is a place in this table and how often that was used before:
 * an id that was forgotten, or never given out, is found out.
 *
 *   63               32 31                0
 *   +------------------+------------------+
 *   | generation       | index, 1 is root |
 *   +------------------+------------------+
 *
 * A file is the same if device, inode number and mount are: our descriptor keeps the number from
 * being given to another file. The device's worker.
 */
#pragma once

#include "vmm/base/base.h"

struct statx;

struct inode {
    int fd;              /* owned, O_PATH; -1: the place is free */
    uint32_t generation; /* of the place */
    uint32_t next;       /* in its bucket, or of the free places; 0: the last */
    uint16_t type;       /* S_IFMT bits */
    bool sealed;         /* of a file system of the kernel's: nothing in it is shown or opened */
    uint64_t dev, ino, mount;
    uint64_t lookups; /* how often the guest was told of it and did not forget it */
};

struct inodes {
    struct inode *inode;     /* array, mapped, touched as used; [0] is nobody */
    uint32_t *bucket;        /* array of the first inode of each, mapped likewise */
    uint32_t size;           /* of the arrays */
    uint32_t used;           /* places that ever were, [0] too */
    uint32_t free;           /* list of places */
    uint32_t count;          /* inodes there are */
    uint32_t buckets, level; /* buckets in use: `level` is the power of two not above it */
};

/* Main: room for `size` inodes, or less. -ENOMEM. */
int inodes_init(struct inodes *inodes, uint32_t size);
/* Accepts a zeroed one. */
void inodes_fini(struct inodes *inodes);

/* NULL if the guest was given no such id, or forgot it. */
struct inode *inode_by_id(const struct inodes *inodes, uint64_t id);
uint64_t inode_id(const struct inodes *inodes, const struct inode *inode);
/* NULL if the file is not in the table. */
struct inode *inode_find(const struct inodes *inodes, const struct statx *st);
/* Takes a descriptor over, which is of a file that is not in the table; NULL if there is no room,
 * and the descriptor stays the caller's. The first one is the root, which stays. */
struct inode *inode_add(struct inodes *inodes, int fd, const struct statx *st);
/* Counts that many lookups less; the last one takes the inode away. */
void inode_forget(struct inodes *inodes, struct inode *inode, uint64_t lookups);
/* All but the root. */
void inodes_forget(struct inodes *inodes);

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
 * being given to another file.
 *
 * There may be more files than descriptors. Then the one that was used longest ago is shelved: its
 * descriptor is closed, and what is kept is its name, the folder that it was in, and when it was
 * made. If that name leads to the same file still, it is held again; if not, the guest hears that
 * the file is gone (ESTALE), and looks the name up. What is open is not shelved, nor the root, nor
 * a file whose file system does not say when it was made. The device's worker.
 */
#pragma once

#include "vmm/base/base.h"

#include <linux/limits.h>

struct statx;

struct inode {
    int fd;                /* owned, O_PATH; -1: shelved, or the place is free */
    uint32_t generation;   /* of the place */
    uint32_t next;         /* in its bucket, or of the free places; 0: the last */
    uint32_t newer, older; /* in the list of those that may be shelved; itself: not in it */
    uint32_t opens;        /* handles of it */
    uint16_t type;         /* S_IFMT bits */
    bool known;            /* the place is not free */
    bool sealed;           /* of a file system of the kernel's: nothing in it is shown or opened */
    uint64_t dev, ino, mount;
    uint64_t born_ns; /* when it was made, from 1 on; 0: nobody knows */
    uint64_t folder;  /* id of the one that it was found in */
    uint64_t lookups; /* how often the guest was told of it and did not forget it */
};

struct inodes {
    struct inode *inode;        /* array, mapped, touched as used; [0] is the ends of the list */
    char (*name)[NAME_MAX + 1]; /* of those shelved; array, mapped likewise */
    uint32_t *bucket;           /* array of the first inode of each, mapped likewise */
    uint32_t size;              /* of the arrays */
    uint32_t used;              /* places that ever were, [0] too */
    uint32_t free;              /* list of places */
    uint32_t count;             /* inodes there are, */
    uint32_t idle, idle_max;    /* in the list */
    uint32_t buckets, level;    /* buckets in use: `level` is the power of two not above it */
};

/* Main: room for `size` inodes, or less; of those that may be shelved `idle_max` are not. -ENOMEM.
 */
int inodes_init(struct inodes *inodes, uint32_t size, uint32_t idle_max);
/* Accepts a zeroed one. */
void inodes_fini(struct inodes *inodes);

/* NULL if the guest was given no such id, or forgot it. */
struct inode *inode_by_id(const struct inodes *inodes, uint64_t id);
uint64_t inode_id(const struct inodes *inodes, const struct inode *inode);
/* NULL if the file is not in the table. */
struct inode *inode_find(const struct inodes *inodes, const struct statx *st);
/* Takes a descriptor over, which is of a file that is not in the table and was found in that
 * folder; NULL if there is no room, and the descriptor stays the caller's. The first one is the
 * root, which stays. */
struct inode *inode_add(struct inodes *inodes, int fd, const struct statx *st, uint64_t folder);
/* Takes over a newer descriptor of an inode, which was found in that folder. */
void inode_hold(struct inodes *inodes, struct inode *inode, int fd, const struct statx *st,
                uint64_t folder);
/* What a shelved one is found by in its folder. */
const char *inode_name(const struct inodes *inodes, const struct inode *inode);
/* It was used just now: of those that are held it is the last to be shelved. */
void inode_touch(struct inodes *inodes, struct inode *inode);
/* Counts handles, of an inode that is held. */
void inode_opened(struct inodes *inodes, struct inode *inode);
void inode_closed(struct inodes *inodes, struct inode *inode);
/* Counts that many lookups less; the last one takes the inode away. */
void inode_forget(struct inodes *inodes, struct inode *inode, uint64_t lookups);
/* All but the root. */
void inodes_forget(struct inodes *inodes);

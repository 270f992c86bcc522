/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See inode.h. The hash table grows by linear hashing: for an inode that is added, one bucket is
 * split in two, so that no step costs more than another and memory is touched as it is needed.
 */
#include "devices/fs/inode.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define ROOT 1u

static void *map(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return at == MAP_FAILED ? NULL : at;
}

static void start(struct inodes *inodes)
{
    inodes->used = 1;
    inodes->free = inodes->count = 0;
    inodes->buckets = inodes->level = 1;
    inodes->bucket[0] = 0;
}

int inodes_init(struct inodes *inodes, uint32_t size)
{
    inodes->size = size;
    inodes->inode = map(size * sizeof(inodes->inode[0]));
    inodes->bucket = map(size * sizeof(inodes->bucket[0]));
    if (inodes->inode == NULL || inodes->bucket == NULL)
        return -ENOMEM;
    start(inodes);
    return 0;
}

void inodes_fini(struct inodes *inodes)
{
    if (inodes->inode != NULL && inodes->bucket != NULL) {
        inodes_forget(inodes);
        if (inodes->count > 0)
            fd_close(&inodes->inode[ROOT].fd);
    }
    if (inodes->inode != NULL)
        (void)munmap(inodes->inode, inodes->size * sizeof(inodes->inode[0]));
    if (inodes->bucket != NULL)
        (void)munmap(inodes->bucket, inodes->size * sizeof(inodes->bucket[0]));
    *inodes = (struct inodes){0};
}

uint64_t inode_id(const struct inodes *inodes, const struct inode *inode)
{
    return (uint64_t)inode->generation << 32 | (uint64_t)(inode - inodes->inode);
}

struct inode *inode_by_id(const struct inodes *inodes, uint64_t id)
{
    uint32_t index = (uint32_t)id;
    struct inode *inode;

    if (index == 0 || index >= inodes->used)
        return NULL;
    inode = &inodes->inode[index];
    return inode->fd >= 0 && inode->generation == id >> 32 ? inode : NULL;
}

/* -- the hash table -- */

static uint32_t *bucket_of(const struct inodes *inodes, uint64_t dev, uint64_t ino, uint64_t mount)
{
    uint64_t mixed = (ino ^ dev << 40 ^ mount << 20) * 0x9e3779b97f4a7c15;
    uint32_t hash = (uint32_t)(mixed >> 32);
    uint32_t at = hash & (inodes->level * 2 - 1);

    return &inodes->bucket[at < inodes->buckets ? at : at & (inodes->level - 1)];
}

static uint32_t *bucket_of_inode(const struct inodes *inodes, const struct inode *inode)
{
    return bucket_of(inodes, inode->dev, inode->ino, inode->mount);
}

/* One bucket more: what it gets was in the one `level` before it. */
static void split(struct inodes *inodes)
{
    uint32_t index = inodes->bucket[inodes->buckets - inodes->level], next;

    inodes->bucket[inodes->buckets - inodes->level] = 0;
    inodes->bucket[inodes->buckets++] = 0;
    for (; index != 0; index = next) {
        struct inode *inode = &inodes->inode[index];
        uint32_t *bucket = bucket_of_inode(inodes, inode);
        next = inode->next;
        inode->next = *bucket;
        *bucket = index;
    }
    if (inodes->buckets == inodes->level * 2)
        inodes->level *= 2;
}

struct inode *inode_find(const struct inodes *inodes, const struct statx *st)
{
    uint64_t dev = makedev(st->stx_dev_major, st->stx_dev_minor);
    uint32_t index = *bucket_of(inodes, dev, st->stx_ino, st->stx_mnt_id);

    for (; index != 0; index = inodes->inode[index].next) {
        struct inode *inode = &inodes->inode[index];
        if (inode->ino == st->stx_ino && inode->dev == dev && inode->mount == st->stx_mnt_id)
            return inode;
    }
    return NULL;
}

/* -- coming and going -- */

struct inode *inode_add(struct inodes *inodes, int fd, const struct statx *st)
{
    struct inode *inode;
    uint32_t index = inodes->free, *bucket;

    if (index == 0 && inodes->used == inodes->size)
        return NULL;
    if (index == 0)
        index = inodes->used++;
    else
        inodes->free = inodes->inode[index].next;
    if (++inodes->count > inodes->buckets && inodes->buckets < inodes->size)
        split(inodes);
    inode = &inodes->inode[index];
    *inode = (struct inode){
        .fd = fd,
        .generation = inode->generation,
        .type = st->stx_mode & S_IFMT,
        .dev = makedev(st->stx_dev_major, st->stx_dev_minor),
        .ino = st->stx_ino,
        .mount = st->stx_mnt_id,
    };
    bucket = bucket_of_inode(inodes, inode);
    inode->next = *bucket;
    *bucket = index;
    return inode;
}

static void inode_remove(struct inodes *inodes, struct inode *inode)
{
    uint32_t index = (uint32_t)(inode - inodes->inode);
    uint32_t *link = bucket_of_inode(inodes, inode);

    while (*link != index)
        link = &inodes->inode[*link].next;
    *link = inode->next;
    fd_close(&inode->fd);
    inode->generation++;
    inode->next = inodes->free;
    inodes->free = index;
    inodes->count--;
}

void inode_forget(struct inodes *inodes, struct inode *inode, uint64_t lookups)
{
    inode->lookups -= MIN(inode->lookups, lookups);
    if (inode->lookups == 0 && inode != &inodes->inode[ROOT])
        inode_remove(inodes, inode);
}

void inodes_forget(struct inodes *inodes)
{
    for (uint32_t i = ROOT + 1; i < inodes->used; i++)
        if (inodes->inode[i].fd >= 0)
            inode_remove(inodes, &inodes->inode[i]);
}

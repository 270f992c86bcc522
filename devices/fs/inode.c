/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See inode.h. The hash table grows by linear hashing: for an inode that is added, one bucket is
 * split in two, so that no step costs more than another and memory is touched as it is needed.
 */
#include "devices/fs/inode.h"

#include "vmm/base/sparse.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define ROOT 1u

static void start(struct inodes *inodes)
{
    inodes->used = 1;
    inodes->free = inodes->count = inodes->idle = 0;
    inodes->buckets = inodes->level = 1;
    inodes->bucket[0] = 0;
}

int inodes_init(struct inodes *inodes, uint32_t size, uint32_t idle_max)
{
    inodes->size = size;
    inodes->idle_max = idle_max;
    inodes->inode = sparse_map(size * sizeof(inodes->inode[0]));
    inodes->name = sparse_map(size * sizeof(inodes->name[0]));
    inodes->bucket = sparse_map(size * sizeof(inodes->bucket[0]));
    if (inodes->inode == NULL || inodes->name == NULL || inodes->bucket == NULL)
        return -ENOMEM;
    start(inodes);
    return 0;
}

void inodes_fini(struct inodes *inodes)
{
    if (inodes->count > 0) {
        inodes_forget(inodes);
        fd_close(&inodes->inode[ROOT].fd);
    }
    sparse_unmap(inodes->inode, inodes->size * sizeof(inodes->inode[0]));
    sparse_unmap(inodes->name, inodes->size * sizeof(inodes->name[0]));
    sparse_unmap(inodes->bucket, inodes->size * sizeof(inodes->bucket[0]));
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
    return inode->known && inode->generation == id >> 32 ? inode : NULL;
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

/* Those that a file system was made with may be as old as time itself. */
static uint64_t born_ns(const struct statx *st)
{
    if ((st->stx_mask & STATX_BTIME) == 0)
        return 0;
    return (uint64_t)st->stx_btime.tv_sec * 1000000000 + st->stx_btime.tv_nsec + 1;
}

/* A number is given to another file only while nobody holds the one that had it. */
static bool is_it(const struct inode *inode, const struct statx *st)
{
    return inode->ino == st->stx_ino &&
           inode->dev == makedev(st->stx_dev_major, st->stx_dev_minor) &&
           inode->mount == st->stx_mnt_id && (inode->fd >= 0 || inode->born_ns == born_ns(st));
}

struct inode *inode_find(const struct inodes *inodes, const struct statx *st)
{
    uint64_t dev = makedev(st->stx_dev_major, st->stx_dev_minor);
    uint32_t index = *bucket_of(inodes, dev, st->stx_ino, st->stx_mnt_id);

    while (index != 0 && !is_it(&inodes->inode[index], st))
        index = inodes->inode[index].next;
    return index != 0 ? &inodes->inode[index] : NULL;
}

/* -- descriptors -- */

static uint32_t index_of(const struct inodes *inodes, const struct inode *inode)
{
    return (uint32_t)(inode - inodes->inode);
}

static void list_remove(struct inodes *inodes, struct inode *inode)
{
    if (inode->newer == index_of(inodes, inode))
        return;
    inodes->idle--;
    inodes->inode[inode->newer].older = inode->older;
    inodes->inode[inode->older].newer = inode->newer;
    inode->newer = inode->older = index_of(inodes, inode);
}

/* As the newest, if it may be shelved at all. */
static void list_add(struct inodes *inodes, struct inode *inode)
{
    struct inode *ends = &inodes->inode[0];

    if (inode->fd < 0 || inode->opens > 0 || inode->born_ns == 0 || inode == &inodes->inode[ROOT])
        return;
    inode->newer = 0;
    inode->older = ends->older;
    inodes->inode[ends->older].newer = index_of(inodes, inode);
    ends->older = index_of(inodes, inode);
    inodes->idle++;
}

/* The name that a file has now, as the host's kernel knows it; of a deleted one it may be any. */
static bool name_of(int fd, char ret_name[NAME_MAX + 1])
{
    char link[32], path[PATH_MAX];
    const char *name;
    ssize_t len;

    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    len = readlink(link, path, sizeof(path) - 1);
    if (len < 0)
        return false;
    path[len] = '\0';
    name = strrchr(path, '/');
    if (name == NULL || strlen(name + 1) > NAME_MAX)
        return false;
    memcpy(ret_name, name + 1, strlen(name + 1) + 1);
    return true;
}

static void make_room(struct inodes *inodes)
{
    while (inodes->idle > inodes->idle_max) {
        struct inode *oldest = &inodes->inode[inodes->inode[0].newer];
        list_remove(inodes, oldest);
        if (name_of(oldest->fd, inodes->name[index_of(inodes, oldest)]))
            fd_close(&oldest->fd); /* else it stays as it is */
    }
}

const char *inode_name(const struct inodes *inodes, const struct inode *inode)
{
    return inodes->name[index_of(inodes, inode)];
}

void inode_hold(struct inodes *inodes, struct inode *inode, int fd, const struct statx *st,
                uint64_t folder)
{
    fd_close(&inode->fd);
    inode->fd = fd;
    inode->born_ns = born_ns(st); /* an overlay of the host may have copied it meanwhile */
    inode->folder = folder;
    inode_touch(inodes, inode);
    make_room(inodes);
}

void inode_touch(struct inodes *inodes, struct inode *inode)
{
    list_remove(inodes, inode);
    list_add(inodes, inode);
}

void inode_opened(struct inodes *inodes, struct inode *inode)
{
    inode->opens++;
    list_remove(inodes, inode);
}

void inode_closed(struct inodes *inodes, struct inode *inode)
{
    if (--inode->opens == 0)
        inode_touch(inodes, inode);
    make_room(inodes);
}

/* -- coming and going -- */

struct inode *inode_add(struct inodes *inodes, int fd, const struct statx *st, uint64_t folder)
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
        .fd = -1,
        .generation = inode->generation,
        .newer = index,
        .older = index,
        .type = st->stx_mode & S_IFMT,
        .known = true,
        .dev = makedev(st->stx_dev_major, st->stx_dev_minor),
        .ino = st->stx_ino,
        .mount = st->stx_mnt_id,
    };
    bucket = bucket_of_inode(inodes, inode);
    inode->next = *bucket;
    *bucket = index;
    inode_hold(inodes, inode, fd, st, folder);
    return inode;
}

static void inode_remove(struct inodes *inodes, struct inode *inode)
{
    uint32_t index = index_of(inodes, inode);
    uint32_t *link = bucket_of_inode(inodes, inode);

    while (*link != index)
        link = &inodes->inode[*link].next;
    *link = inode->next;
    list_remove(inodes, inode);
    fd_close(&inode->fd);
    inode->known = false;
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
        if (inodes->inode[i].known)
            inode_remove(inodes, &inodes->inode[i]);
    inodes->inode[ROOT].opens = 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the guest has open in a share: regular files and folders. As node ids, handles are a place
 * in a table and how often it was used before. The device's worker.
 */
#pragma once

#include "vmm/base/base.h"

struct handle {
    int fd;              /* owned, open; -1: the place is free */
    uint32_t generation; /* of the place */
    uint32_t next;       /* of the free places; 0: the last */
    bool folder;
    uint64_t node; /* the id under which it was opened */
    int64_t at;    /* a folder's: where the next getdents64() reads */
};

struct handles {
    struct handle *handle; /* array, mapped, touched as used; [0] is nobody */
    uint32_t size, used;   /* of the array; places that ever were */
    uint32_t free;         /* list of places */
};

/* Room for so many. -ENOMEM; handles_fini() may follow in any case. */
int handles_init(struct handles *handles, uint32_t size);
void handles_fini(struct handles *handles);

/* Takes a descriptor over; its number in *ret_id. -ENFILE if there is no room, and the descriptor
 * stays the caller's. */
int handle_add(struct handles *handles, int fd, bool folder, uint64_t node, uint64_t *ret_id);
/* The file or folder that is open under that id for that node; NULL if there is none. */
struct handle *handle_by_id(const struct handles *handles, uint64_t id, uint64_t node);
void handle_close(struct handles *handles, struct handle *handle);
void handles_close(struct handles *handles);

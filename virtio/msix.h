/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Message-signalled interrupts of a PCI function (PCI Local Bus 3.0 §6.8.2, MSI-X): a table of
 * messages that the guest fills in, and an array of bits for those that are due while they are
 * masked. No message is lost: one that cannot be sent waits in its pending bit, and goes out at
 * whatever lifts the last mask.
 *
 * Any thread: workers signal while vCPUs write the table.
 */
#pragma once

#include "vmm/base/base.h"

#include <pthread.h>

#define MSIX_VECTORS_MAX  256
#define MSIX_NO_VECTOR    0xffff
#define MSIX_ENTRY_BYTES  16
#define MSIX_PENDING_WORD 8 /* bytes: the pending bits are read as these */

struct msix_entry {
    le32 address_low, address_high, data;
    le32 control; /* bit 0: masked */
};
_Static_assert(sizeof(struct msix_entry) == MSIX_ENTRY_BYTES, "PCI 3.0 figure 6-11");

struct msix {
    void (*send)(void *ctx, uint64_t addr, uint32_t data); /* with the lock held; any thread */
    void *ctx;
    uint16_t count;
    pthread_mutex_t lock;     /* for what follows */
    bool enabled;             /* the function interrupts by messages */
    bool masked;              /* all of them wait */
    struct msix_entry *entry; /* owned */
    le64 pending[MSIX_VECTORS_MAX / 64];
};

/* Main: `count` vectors (1 to MSIX_VECTORS_MAX), each masked, and the whole off. -ENOMEM. */
int msix_init(struct msix *msix, uint16_t count,
              void (*send)(void *ctx, uint64_t addr, uint32_t data), void *ctx);
/* Main. Accepts a zeroed struct. */
void msix_fini(struct msix *msix);

/* What the function's registers say now. */
void msix_control(struct msix *msix, bool enabled, bool masked);

/* An event of that vector; MSIX_NO_VECTOR and whatever else the table does not have: nobody wants
 * to know. False: the function does not interrupt by messages. */
bool msix_signal(struct msix *msix, uint16_t vector);

/* Guest accesses to the table and the pending bits; past the end they read 0 and vanish. */
void msix_table_read(struct msix *msix, size_t off, void *ret_buf, size_t len);
void msix_table_write(struct msix *msix, size_t off, const void *buf, size_t len);
void msix_pending_read(struct msix *msix, size_t off, void *ret_buf, size_t len);

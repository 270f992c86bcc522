/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Message-signalled interrupts of a PCI function (PCI Local Bus 3.0 §6.8.2, MSI-X): a table of
 * messages that the guest fills in, and an array of bits for those that are due while they are
 * masked. No message is lost: one that cannot be sent waits in its pending bit, and goes out at
 * whatever lifts the last mask.
 *
 * Each source of events (a queue, config space) has a vector of the table, or none. Where somebody
 * else serves a queue, events come by an eventfd: while the message may go out the bus is to send
 * it by itself, at each event (KVM's irqfd); while not, and where the bus can't, whoever else hears
 * the eventfd tells of it by msix_signal(). Neither has to know of the other: what is said of a
 * source that is bound is ignored, and the bus begins with a look at what the eventfd already
 * holds, which nobody but it takes away. So an event around a change may be a message twice, but is
 * never none.
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

struct msix_source {
    uint16_t vector; /* MSIX_NO_VECTOR: nobody wants to know */
    int fd;          /* borrowed eventfd; -1: events come by msix_signal() alone */
    bool bound;      /* the bus sends the message at each event of it */
};

struct pci_host;

struct msix {
    struct pci_host *host;      /* borrowed; called with the lock held */
    uint16_t count;             /* of vectors, and of sources */
    pthread_mutex_t lock;       /* for what follows */
    bool enabled;               /* the function interrupts by messages */
    bool masked;                /* all of them wait */
    struct msix_entry *entry;   /* owned */
    struct msix_source *source; /* owned */
    le64 pending[MSIX_VECTORS_MAX / 64];
};

/* Main: `count` sources and vectors (1 to MSIX_VECTORS_MAX), each masked, and the whole off.
 * -ENOMEM. */
int msix_init(struct msix *msix, uint16_t count, struct pci_host *host);
/* Main. Accepts a zeroed struct. */
void msix_fini(struct msix *msix);

/* What the function's registers say now. */
void msix_control(struct msix *msix, bool enabled, bool masked);

/* The vector of a source. One that the table does not have is MSIX_NO_VECTOR. One thread at a time.
 */
uint16_t msix_vector(const struct msix *msix, unsigned source);
void msix_vector_set(struct msix *msix, unsigned source, uint64_t vector);

/* From now on each event of that eventfd is one of the source's, too; -1: no more, and then no
 * message follows. */
void msix_lend(struct msix *msix, unsigned source, int fd);

/* An event. False: the function does not interrupt by messages. */
bool msix_signal(struct msix *msix, unsigned source);

/* Guest accesses to the table and the pending bits; past the end they read 0 and vanish. */
void msix_table_read(struct msix *msix, size_t off, void *ret_buf, size_t len);
void msix_table_write(struct msix *msix, size_t off, const void *buf, size_t len);
void msix_pending_read(struct msix *msix, size_t off, void *ret_buf, size_t len);

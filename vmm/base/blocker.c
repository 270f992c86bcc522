/* SPDX-License-Identifier: BSD-3-Clause */
/* See blocker.h. */
#include "vmm/base/blocker.h"

#include <poll.h>
#include <sys/eventfd.h>

#define KICK_MS 10 /* between two kicks: one that comes just before a call blocks is lost */

static void blocker_main(void *arg)
{
    struct blocker *blocker = arg;

    blocker->run(blocker);
    atomic_store(&blocker->ended, true);
    irq_raise(&blocker->news);
}

int blocker_start(struct blocker *blocker, const char *name, void (*run)(struct blocker *blocker))
{
    blocker->run = run;
    blocker->ending = blocker->giving_up = blocker->ended = false;
    int r = irq_init(&blocker->news);
    if (r == 0)
        r = thread_start(&blocker->thread, THREAD_CONSOLE, name, blocker_main, blocker);
    if (r < 0)
        irq_fini(&blocker->news);
    return r;
}

void blocker_progress(struct blocker *blocker)
{
    if (atomic_load(&blocker->ending))
        irq_raise(&blocker->news);
}

void blocker_end(struct blocker *blocker)
{
    atomic_store(&blocker->ending, true);
}

/* Until the thread has ended, or got nothing done for patience_ms. */
static void wait_ended(const struct blocker *blocker, int patience_ms)
{
    struct pollfd ready = {.fd = blocker->news.fd, .events = POLLIN};
    eventfd_t count;

    while (!atomic_load(&blocker->ended) && poll(&ready, 1, patience_ms) > 0)
        (void)eventfd_read(blocker->news.fd, &count);
}

void blocker_stop(struct blocker *blocker, int patience_ms)
{
    if (!blocker_running(blocker))
        return;
    wait_ended(blocker, patience_ms);
    atomic_store(&blocker->giving_up, true);
    while (!atomic_load(&blocker->ended)) {
        thread_kick(&blocker->thread);
        wait_ended(blocker, KICK_MS);
    }
    thread_join(&blocker->thread);
    irq_fini(&blocker->news);
}

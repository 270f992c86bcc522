/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtio function's queue that somebody else serves: the bus is to send its messages by itself,
 * while they may go out and no longer, and no event is lost on the way. The bus here does as KVM
 * does with irqfds: while an eventfd is bound each event is a message and none is left in it;
 * binding begins with what it holds, unbinding ends with it empty.
 */
#include "tests/virtio/pci_fixture.h"

#include <poll.h>

#define ADDR   0xfee00000
#define ROUNDS 2000

static pthread_mutex_t bus_lock = PTHREAD_MUTEX_INITIALIZER;
static bool refuses;
static struct {
    int fd; /* 0: not bound */
    uint64_t addr;
    uint32_t data;
} bound[2];
static unsigned binds, unbinds;
static int calls[2]; /* eventfds of the two queues */

static unsigned row_of(int fd)
{
    return fd == calls[1];
}

static bool bus_bind(struct pci_host *host, int fd, uint64_t addr, uint32_t data)
{
    struct pollfd look = {.fd = fd, .events = POLLIN};
    unsigned row = row_of(fd);

    (void)pthread_mutex_lock(&bus_lock);
    bool was_bound = bound[row].fd != 0;
    bound[row].fd = refuses ? 0 : fd;
    bound[row].addr = addr;
    bound[row].data = data;
    binds++;
    if (!was_bound && !refuses && poll(&look, 1, 0) == 1)
        host->message(host, addr, data);
    (void)pthread_mutex_unlock(&bus_lock);
    return !refuses;
}

static void bus_unbind(struct pci_host *host, int fd)
{
    eventfd_t count;

    (void)host;
    (void)pthread_mutex_lock(&bus_lock);
    ck_assert_int_eq(bound[row_of(fd)].fd, fd);
    (void)eventfd_read(fd, &count);
    bound[row_of(fd)].fd = 0;
    unbinds++;
    (void)pthread_mutex_unlock(&bus_lock);
}

/* What whoever serves queue q does. */
static void call(unsigned q)
{
    eventfd_t count;

    (void)pthread_mutex_lock(&bus_lock);
    if (bound[q].fd != 0) {
        (void)eventfd_read(calls[q], &count);
        ours.host.message(&ours.host, bound[q].addr, bound[q].data);
    } else {
        ck_assert_int_eq(eventfd_write(calls[q], 1), 0);
    }
    (void)pthread_mutex_unlock(&bus_lock);
}

static void call_ready(struct watch *watch, uint32_t epoll_events)
{
    (void)epoll_events;
    virtio_call(dev, &dev->queue[row_of(watch->fd)]);
}

static struct watch watches[2];

/* On the worker, in a life of the device: it stands still. */
static void lend(bool on)
{
    virtio_pause(dev);
    for (unsigned q = 0; q < 2; q++)
        if (on)
            ck_assert_int_eq(virtio_call_add(dev, &dev->queue[q], &watches[q]), 0);
        else
            virtio_call_remove(dev, &dev->queue[q], &watches[q]);
    virtio_resume(dev, 0);
}

static void setup_lent(void)
{
    setup();
    ours.host.bind = bus_bind;
    ours.host.unbind = bus_unbind;
    memset(bound, 0, sizeof(bound));
    binds = unbinds = 0;
    refuses = false;
    for (unsigned q = 0; q < 2; q++) {
        calls[q] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        ck_assert_int_ge(calls[q], 0);
        watches[q] = (struct watch){.fd = calls[q], .ready = call_ready};
    }
    start(FAKE_VERSION_1);
    lend(true);
}

static void teardown_lent(void)
{
    lend(false);
    ck_assert_int_eq(bound[0].fd, 0);
    ck_assert_int_eq(bound[1].fd, 0);
    teardown();
    (void)close(calls[0]);
    (void)close(calls[1]);
}

static void assert_bound(unsigned q, uint32_t data)
{
    ck_assert_int_eq(bound[q].fd, calls[q]);
    ck_assert_uint_eq(bound[q].addr, ADDR);
    ck_assert_uint_eq(bound[q].data, data);
}

static void vector_set(unsigned q, unsigned vector)
{
    bar_wr(QUEUE_SELECT, q, 2);
    bar_wr(QUEUE_VECTOR, vector, 2);
}

/* The worker has served what had come to it. */
static void worker_served(void)
{
    virtio_pause(dev);
    virtio_resume(dev, 0);
}

START_TEST(the_bus_sends_what_is_open)
{
    assert_bound(0, 0x41);
    assert_bound(1, 0x42);
    call(0);
    call(1);
    worker_served();
    ck_assert_uint_eq(messages(), 2);
    ck_assert_uint_eq(ours.message[0].data, 0x41);
    ck_assert_uint_eq(ours.message[1].data, 0x42);
    ck_assert_uint_eq(bar_rd(PENDING, 8), 0);
}
END_TEST

/* A kernel that wakes up the worker, too. */
START_TEST(what_the_bus_has_sent_is_not_sent_again)
{
    call(0);
    virtio_call(dev, &dev->queue[0]);
    ck_assert_uint_eq(messages(), 1);
}
END_TEST

START_TEST(without_the_means_the_worker_tells)
{
    lend(false);
    refuses = true;
    lend(true);
    call(0);
    ck_assert_uint_eq(wait_messages(), 1);
    ck_assert_uint_eq(ours.message[0].data, 0x41);
    ck_assert_int_eq(bound[0].fd, 0);
}
END_TEST

/* Bound once, and then the other message is refused. */
START_TEST(a_message_that_is_refused_is_told_by_the_worker)
{
    refuses = true;
    bar_wr(TABLE + 16 + 8, 0x51, 4);
    call(0);
    ck_assert_uint_eq(wait_messages(), 1);
    ck_assert_uint_eq(ours.message[0].data, 0x51);
    refuses = false;
}
END_TEST

/* proves: PCI-57 */
START_TEST(what_is_masked_is_pending_and_comes_when_it_is_not)
{
    hold((enum hold)_i, true);
    ck_assert_int_eq(bound[0].fd, 0);
    ck_assert_int_eq(bound[1].fd, _i == HOLD_ENTRY ? calls[1] : 0);
    call(0);
    assert_held((enum hold)_i);
    assert_bound(0, 0x41);
    assert_bound(1, 0x42);
}
END_TEST

START_TEST(a_mask_that_changes_nothing_else_moves_nothing)
{
    unsigned before = binds;

    mask(1, true);
    mask(1, false);
    ck_assert_uint_eq(unbinds, 1);
    ck_assert_uint_eq(binds, before + 1);
    assert_bound(0, 0x41);
}
END_TEST

START_TEST(another_message_while_it_is_open_is_another_route)
{
    bar_wr(TABLE + 16 + 8, 0x51, 4);
    assert_bound(0, 0x51);
    ck_assert_uint_eq(unbinds, 0);
    call(0);
    ck_assert_uint_eq(messages(), 1);
    ck_assert_uint_eq(ours.message[0].data, 0x51);
}
END_TEST

/* proves: PCI-50, PCI-55 */
START_TEST(another_vector_and_none)
{
    vector_set(0, 2);
    assert_bound(0, 0x42);
    vector_set(0, NO_VECTOR);
    ck_assert_int_eq(bound[0].fd, 0);
    call(0);
    worker_served();
    ck_assert_uint_eq(messages(), 0);
    vector_set(0, 1); /* what came meanwhile may be told or not */
    assert_bound(0, 0x41);
}
END_TEST

START_TEST(two_queues_share_a_vector)
{
    vector_set(1, 1);
    assert_bound(0, 0x41);
    assert_bound(1, 0x41);
    call(0);
    call(1);
    ck_assert_uint_eq(messages(), 2);
    mask(1, true);
    ck_assert_int_eq(bound[0].fd, 0);
    ck_assert_int_eq(bound[1].fd, 0);
    call(1);
    while (bar_rd(PENDING, 8) != 2)
        (void)sched_yield();
    mask(1, false);
    ck_assert_uint_ge(messages(), 3);
    ck_assert_uint_eq(ours.message[2].data, 0x41);
}
END_TEST

START_TEST(config_news_go_by_us_on_a_vector_of_a_queue)
{
    uint8_t byte = 1;

    bar_wr(CONFIG_VECTOR, 1, 2);
    virtio_config_set(dev, 0, &byte, 1);
    ck_assert_uint_eq(messages(), 1);
    ck_assert_uint_eq(ours.message[0].data, 0x41);
}
END_TEST

START_TEST(turned_off_msix_is_unbound)
{
    msix_flags(0);
    ck_assert_int_eq(bound[0].fd, 0);
    call(0);
    while (bar_rd(ISR, 1) != 1)
        (void)sched_yield();
    ck_assert_uint_eq(messages(), 0);
    msix_flags(MSIX_ENABLE);
    assert_bound(0, 0x41);
}
END_TEST

START_TEST(a_reset_of_a_queue_or_the_device_unbinds)
{
    bar_wr(DEVICE_STATUS, 0, 1);
    status_wait(0);
    ck_assert_int_eq(bound[0].fd, 0);
    ck_assert_int_eq(bound[1].fd, 0);
    start(FAKE_VERSION_1 | 1ull << 40);
    assert_bound(0, 0x41);
    bar_wr(QUEUE_SELECT, 0, 2);
    bar_wr(QUEUE_RESET, 1, 2);
    while (bar_rd(QUEUE_RESET, 2) != 0)
        (void)sched_yield();
    ck_assert_int_eq(bound[0].fd, 0);
    assert_bound(1, 0x42);
}
END_TEST

/* -- under load -- */

static atomic_uint arrived[2]; /* messages with either data */

static void message_counted(struct pci_host *host, uint64_t addr, uint32_t data)
{
    (void)host;
    (void)addr;
    atomic_fetch_add(&arrived[data & 1], 1);
}

/* Each call is a message before the next: Linux moves an interrupt while it comes. */
static void *caller(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned before = atomic_load(&arrived[0]) + atomic_load(&arrived[1]);
        call(0);
        while (atomic_load(&arrived[0]) + atomic_load(&arrived[1]) == before)
            (void)sched_yield();
    }
    return arg;
}

/* A call waits while one is masked, and is none of the old message's once the mask is written. */
START_TEST(moved_under_load_none_is_lost_or_late)
{
    pthread_t thread;

    atomic_store(&arrived[0], 0);
    atomic_store(&arrived[1], 0);
    ours.host.message = message_counted;
    ck_assert_int_eq(pthread_create(&thread, NULL, caller, NULL), 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        mask(1, true);
        unsigned before = atomic_load(&arrived[0]) + atomic_load(&arrived[1]);
        (void)sched_yield();
        ck_assert_uint_eq(atomic_load(&arrived[0]) + atomic_load(&arrived[1]), before);
        bar_wr(TABLE + 16 + 8, 0x60 + i % 2, 4);
        before = atomic_load(&arrived[1 - i % 2]);
        mask(1, false);
        ck_assert_uint_eq(atomic_load(&arrived[1 - i % 2]), before);
    }
    (void)pthread_join(thread, NULL);
}
END_TEST

Suite *pci_calls_suite(void);
Suite *pci_calls_suite(void)
{
    Suite *suite = suite_create("pci_calls");
    TCase *tcase = tcase_create("a function whose queues others serve");

    tcase_add_checked_fixture(tcase, setup_lent, teardown_lent);
    tcase_add_test(tcase, the_bus_sends_what_is_open);
    tcase_add_test(tcase, what_the_bus_has_sent_is_not_sent_again);
    tcase_add_test(tcase, without_the_means_the_worker_tells);
    tcase_add_test(tcase, a_message_that_is_refused_is_told_by_the_worker);
    tcase_add_loop_test(tcase, what_is_masked_is_pending_and_comes_when_it_is_not, 0, HOLDS);
    tcase_add_test(tcase, a_mask_that_changes_nothing_else_moves_nothing);
    tcase_add_test(tcase, another_message_while_it_is_open_is_another_route);
    tcase_add_test(tcase, another_vector_and_none);
    tcase_add_test(tcase, two_queues_share_a_vector);
    tcase_add_test(tcase, config_news_go_by_us_on_a_vector_of_a_queue);
    tcase_add_test(tcase, turned_off_msix_is_unbound);
    tcase_add_test(tcase, a_reset_of_a_queue_or_the_device_unbinds);
    tcase_add_test(tcase, moved_under_load_none_is_lost_or_late);
    suite_add_tcase(suite, tcase);
    return suite;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device with many queues and two workers: who serves what, that the other callbacks have the
 * device to themselves, pause and resume, and a reset that takes its time.
 */
#include "tests/capture.h"
#include "tests/fake_driver.h"

#include <check.h>
#include <sched.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>

#define QUEUES 50
#define RINGS  0x10000
#define DATA   0x80000

struct team {
    struct virtio_device dev;
    uint8_t config[8];
    struct watch timer; /* something of the device's own in its loop */
    /* set by the test while the device is idle */
    bool holds;   /* takes requests and does not answer */
    int reset_fd; /* reset() waits for it; -1: not */
    int fails_on; /* the queue whose request makes the device fail */
    /* any thread */
    atomic_uint inside[2], intruders; /* notify() running; seen by a callback that is alone */
    atomic_uint served[QUEUES], ticks, activated, reset, paused, resumed, commanded;
    atomic_uint_least64_t resumed_ns;
    /* of a queue's worker, read after an interrupt */
    char thread[QUEUES][16];
};

static struct memory mem;
static struct virtio_device *dev;
static struct team *team;
static struct fake_driver drv;
static struct capture capture;

static struct team *team_of(struct virtio_device *device)
{
    return container_of(device, struct team, dev);
}

/* In a callback that is promised to be alone. */
static void alone(struct team *t, atomic_uint *count)
{
    for (int i = 0; i < 20; i++) {
        t->intruders += t->inside[0] + t->inside[1];
        (void)sched_yield();
    }
    (*count)++;
}

static void timer_ready(struct watch *watch, uint32_t epoll_events)
{
    eventfd_t count;

    (void)epoll_events;
    (void)eventfd_read(watch->fd, &count);
    container_of(watch, struct team, timer)->ticks++;
}

static int team_create(struct virtio_device *device, const struct opts *opts)
{
    struct team *t = team_of(device);

    (void)opts;
    device->queue_count = QUEUES;
    device->worker_count = 2;
    device->config = t->config;
    device->config_size = sizeof(t->config);
    t->timer = (struct watch){.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .ready = timer_ready};
    t->reset_fd = t->fails_on = -1;
    return 0;
}

static void team_destroy(struct virtio_device *device)
{
    fd_close(&team_of(device)->timer.fd);
}

/* Its own watch is in the second worker's loop. */
static int team_activate(struct virtio_device *device)
{
    alone(team_of(device), &team_of(device)->activated);
    return loop_add(&device->worker[1].loop, &team_of(device)->timer, EPOLLIN);
}

static void team_reset(struct virtio_device *device)
{
    struct team *t = team_of(device);
    eventfd_t count;

    if (t->reset_fd >= 0)
        (void)eventfd_read(t->reset_fd, &count); /* a disk with a request under way */
    alone(t, &t->reset);
    loop_remove(&t->timer);
}

static void team_notify(struct virtio_device *device, struct virtq *vq)
{
    struct team *t = team_of(device);
    unsigned worker = vq->index % 2u;
    struct chain req;

    t->inside[worker]++;
    while (virtq_pop(vq, &req) > 0) {
        if (t->fails_on == vq->index)
            virtio_fail(device, -EIO, "told to");
        if (t->holds)
            continue;
        (void)prctl(PR_GET_NAME, t->thread[vq->index]);
        (void)chain_write(&req, "pong", 4);
        virtq_push(vq, &req);
        t->served[vq->index]++;
    }
    virtio_signal(device, vq);
    t->inside[worker]--;
}

static void team_pause(struct virtio_device *device)
{
    alone(team_of(device), &team_of(device)->paused);
}

static void team_resume(struct virtio_device *device, uint64_t paused_ns)
{
    team_of(device)->resumed_ns = paused_ns;
    alone(team_of(device), &team_of(device)->resumed);
}

static void team_config_write(struct virtio_device *device, size_t off, const void *buf, size_t len)
{
    alone(team_of(device), &team_of(device)->commanded);
    virtio_config_set(device, off, buf, len);
}

static int team_command(struct virtio_device *device, const char *const words[], FILE *reply)
{
    (void)words;
    (void)reply;
    alone(team_of(device), &team_of(device)->commanded);
    return 0;
}

static const struct virtio_class team_class = {
    .name = "team",
    .id = 42,
    .queue_count = 1,
    .limits = {.size = 16, .chain_descs = 16},
    .instance_size = sizeof(struct team),
    .create = team_create,
    .destroy = team_destroy,
    .activate = team_activate,
    .reset = team_reset,
    .notify = team_notify,
    .pause = team_pause,
    .resume = team_resume,
    .config_write = team_config_write,
    .command = team_command,
};

static void setup(void)
{
    capture_start(&capture);
    fake_memory(&mem, 0x100000);
    ck_assert_int_eq(fake_create(&team_class, 0, &mem, NULL, &dev), 0);
    team = team_of(dev);
    fake_driver_init(&drv, dev, RINGS);
    ck_assert_int_eq(virtio_start(dev), 0);
}

static void teardown(void)
{
    virtio_destroy(dev);
    fake_driver_fini(&drv);
    memory_destroy(&mem);
    (void)capture_end(&capture);
}

static void start(void)
{
    ck_assert_uint_eq(fake_start(&drv, FAKE_VERSION_1), 15);
}

static void send(uint16_t queue)
{
    const struct fake_piece piece = {DATA + 4ull * queue, 4, FAKE_WRITE};

    fake_offer(&drv.ring[queue], fake_chain(&drv.ring[queue], &piece, 1));
    fake_write(&drv, FAKE_QUEUE_NOTIFY, queue);
}

static void answered(uint16_t queue)
{
    uint32_t id, len;

    ck_assert(fake_wait_used(&drv, queue, &id, &len));
    ck_assert_uint_eq(len, 4);
}

/* -- workers -- */

START_TEST(each_queue_has_its_worker)
{
    start();
    for (uint16_t queue = 0; queue < QUEUES; queue++) {
        send(queue);
        answered(queue);
        ck_assert_str_eq(team->thread[queue], queue % 2 == 0 ? "team0" : "team0.1");
    }
    fake_write(&drv, FAKE_QUEUE_SEL, QUEUES);
    ck_assert_uint_eq(fake_read(&drv, FAKE_QUEUE_SIZE_MAX), 0);
}
END_TEST

static void done(struct virtio_command *command)
{
    (void)command;
}

/* Takes what is used of a queue; how many requests are still out. */
static unsigned out(uint16_t queue)
{
    struct fake_ring *ring = &drv.ring[queue];
    uint32_t id, len;

    while (fake_used(ring, &id, &len))
        continue;
    return (uint16_t)(ring->avail_idx - ring->used_seen);
}

/* proves: VQ-G-12 */
START_TEST(other_callbacks_have_the_device_to_themselves)
{
    struct virtio_command command = {.words = (const char *const[]){"x", NULL}, .done = done};
    unsigned sent = 0, served = 0;

    start();
    for (unsigned i = 0; i < 300; i++, sent += 2) {
        while (out(0) >= 16 || out(1) >= 16)
            (void)sched_yield();
        send(0);
        send(1);
        switch (i % 3) {
        case 0:
            fake_write(&drv, FAKE_CONFIG, i);
            ck_assert_uint_eq(fake_read(&drv, FAKE_CONFIG), i);
            break;
        case 1:
            virtio_pause(dev);
            virtio_resume(dev, i);
            break;
        default:
            virtio_command(dev, &command);
            while (team->commanded < 2 * (i / 3 + 1))
                (void)sched_yield();
        }
    }
    while ((served = team->served[0] + team->served[1]) < sent)
        (void)sched_yield();
    ck_assert_uint_eq(served, sent);
    ck_assert_uint_eq(team->intruders, 0);
    ck_assert_uint_eq(team->paused, 100);
    ck_assert_uint_eq(team->resumed, 100);
}
END_TEST

/* proves: DEV-02, DEV-03, DEV-09 */
START_TEST(any_worker_may_fail_the_device)
{
    team->fails_on = 1;
    start();
    send(1);
    ck_assert(fake_wait_status(&drv, 64));
    ck_assert_int_eq(fake_wait_irq(&drv, 30000), 2);
    send(0); /* the other worker's */
    fake_write(&drv, FAKE_STATUS, 0);
    ck_assert_uint_eq(fake_used_idx(&drv.ring[0]), 0);
    ck_assert_uint_eq(team->served[0], 0);
    team->fails_on = -1;
    start();
    send(1);
    answered(1);
}
END_TEST

/* -- pause -- */

START_TEST(pause_takes_nothing_and_forgets_nothing)
{
    start();
    send(0);
    answered(0);
    virtio_pause(dev);
    ck_assert_uint_eq(team->paused, 1);
    for (uint16_t queue = 0; queue < 4; queue++)
        send(queue);
    (void)eventfd_write(team->timer.fd, 1);
    for (int i = 0; i < 3; i++) { /* the first worker is awake, and still nothing is served */
        fake_write(&drv, FAKE_CONFIG, 7);
        (void)sched_yield();
    }
    for (uint16_t queue = 0; queue < 4; queue++)
        ck_assert_uint_eq(fake_used_idx(&drv.ring[queue]), queue == 0);
    ck_assert_uint_eq(team->ticks, 0);
    virtio_resume(dev, 12345);
    ck_assert_uint_eq(team->resumed_ns, 12345);
    for (uint16_t queue = 0; queue < 4; queue++) {
        answered(queue);
        ck_assert_uint_eq(team->served[queue], queue == 0 ? 2 : 1);
    }
    while (team->ticks == 0)
        (void)sched_yield();
    ck_assert_uint_eq(team->reset, 0);
}
END_TEST

START_TEST(idle_device_pauses_without_its_class)
{
    virtio_pause(dev);
    virtio_resume(dev, 1);
    start();
    send(0);
    answered(0);
    ck_assert_uint_eq(team->paused + team->resumed, 0);
}
END_TEST

START_TEST(paused_device_can_end)
{
    start();
    virtio_pause(dev);
    ck_assert_int_eq(virtio_finish(dev), 0);
    ck_assert_uint_eq(team->reset, 1);
    ck_assert_uint_eq(team->resumed, 0);
}
END_TEST

START_TEST(device_without_threads_pauses_too)
{
    ck_assert_int_eq(virtio_finish(dev), 0);
    start();
    virtio_pause(dev);
    virtio_resume(dev, 3);
    ck_assert_uint_eq(team->paused, 1);
    ck_assert_uint_eq(team->resumed_ns, 3);
}
END_TEST

/* -- a reset that takes its time -- */

static void *reset_it(void *arg)
{
    fake_write(&drv, FAKE_STATUS, 0);
    return arg;
}

static void *kick_it(void *arg)
{
    fake_write(&drv, FAKE_QUEUE_NOTIFY, 0);
    return arg;
}

/* proves: DEV-33, MMIO-33 */
START_TEST(reset_under_way_holds_up_nobody_who_reads)
{
    pthread_t resetter, kicker;

    start();
    team->reset_fd = eventfd(0, EFD_CLOEXEC);
    ck_assert_int_eq(pthread_create(&resetter, NULL, reset_it, NULL), 0);
    for (bool asked = false; !asked; (void)sched_yield()) {
        virtio_lock(dev);
        asked = dev->request == VIRTIO_REQUEST_RESET;
        virtio_unlock(dev);
    }
    ck_assert_uint_eq(fake_read(&drv, FAKE_STATUS), 15); /* 0 is when it is done */
    ck_assert_uint_eq(fake_read(&drv, FAKE_INTERRUPT_STATUS), 0);
    ck_assert_uint_eq(fake_read(&drv, FAKE_CONFIG), 0);
    ck_assert_int_eq(pthread_create(&kicker, NULL, kick_it, NULL), 0); /* a write waits */
    ck_assert_int_eq(pthread_tryjoin_np(resetter, NULL), EBUSY);
    ck_assert_uint_eq(team->reset, 0);
    (void)eventfd_write(team->reset_fd, 1);
    ck_assert_int_eq(pthread_join(resetter, NULL), 0);
    ck_assert_int_eq(pthread_join(kicker, NULL), 0);
    ck_assert_uint_eq(team->reset, 1);
    ck_assert_uint_eq(fake_read(&drv, FAKE_STATUS), 0);
    fd_close(&team->reset_fd);
}
END_TEST

/* proves: DEV-32 */
START_TEST(requests_in_hand_are_forgotten_by_reset)
{
    team->holds = true;
    for (unsigned i = 1; i <= 3; i++) {
        start();
        for (uint16_t queue = 0; queue < 4; queue++)
            send(queue);
        fake_write(&drv, FAKE_STATUS, 0);
        for (uint16_t queue = 0; queue < 4; queue++)
            ck_assert_uint_eq(fake_used_idx(&drv.ring[queue]), 0);
        ck_assert_uint_eq(team->reset, i);
    }
}
END_TEST

Suite *worker_suite(void);
Suite *worker_suite(void)
{
    Suite *suite = suite_create("worker");
    TCase *tcase = tcase_create("two workers");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, each_queue_has_its_worker);
    tcase_add_test(tcase, other_callbacks_have_the_device_to_themselves);
    tcase_add_test(tcase, any_worker_may_fail_the_device);
    tcase_add_test(tcase, pause_takes_nothing_and_forgets_nothing);
    tcase_add_test(tcase, idle_device_pauses_without_its_class);
    tcase_add_test(tcase, paused_device_can_end);
    tcase_add_test(tcase, device_without_threads_pauses_too);
    tcase_add_test(tcase, reset_under_way_holds_up_nobody_who_reads);
    tcase_add_test(tcase, requests_in_hand_are_forgotten_by_reset);
    suite_add_tcase(suite, tcase);
    return suite;
}

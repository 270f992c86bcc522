/* SPDX-License-Identifier: BSD-3-Clause */
/* What the framework tells of a device and its driver, to a sink that keeps it. */
#include "virtio/events.h"

#include "tests/virtio/echo_fixture.h"

#include <string.h>

#define KEPT_MAX 256

static struct events events;
static struct event_sink sink;
static struct event kept[KEPT_MAX];
static unsigned kept_count;

static void keep(struct event_sink *to, const struct event *event)
{
    (void)to;
    if (event->kind != EVENT_THREAD && kept_count < KEPT_MAX)
        kept[kept_count++] = *event;
}

static void rest(struct event_sink *to)
{
    (void)to;
}

static void told_setup(void)
{
    setup();
    kept_count = 0;
    sink = (struct event_sink){.write = keep, .rest = rest};
    ck_assert_int_eq(events_init(&events, true), 0);
    events_add(&events, &sink);
    ck_assert_int_eq(virtio_events_tell(dev, &events, 7, 3), 0);
}

static void told_teardown(void)
{
    teardown();
    events_stop(&events);
    events_fini(&events);
}

/* All that was told so far; the events stay off. */
static void look(void)
{
    events_stop(&events);
}

static const struct event *nth(enum event_kind kind, unsigned n)
{
    for (unsigned i = 0; i < kept_count; i++)
        if (kept[i].kind == kind && n-- == 0)
            return &kept[i];
    return NULL;
}

static const struct event *find(enum event_kind kind, unsigned n)
{
    const struct event *event = nth(kind, n);

    ck_assert_msg(event != NULL, "no event %u of kind %u", n, kind);
    ck_assert_uint_eq(event->device, 7);
    return event;
}

START_TEST(start_is_told_step_by_step)
{
    static const uint32_t steps[] = {0, 1, 3, 11, 15};
    unsigned n = 0;

    (void)fake_start(&drv, FAKE_VERSION_1);
    look();
    ck_assert_uint_eq(find(EVENT_DEVICE, 0)->a, 42);
    ck_assert_uint_eq(find(EVENT_DEVICE, 0)->b, 3);
    ck_assert_uint_eq(find(EVENT_DEVICE, 0)->value & FAKE_VERSION_1, FAKE_VERSION_1);
    for (unsigned i = 0; nth(EVENT_STATUS, i) != NULL; i++)
        if (n < ARRAY_SIZE(steps) && nth(EVENT_STATUS, i)->a == steps[n])
            n++;
    ck_assert_uint_eq(n, ARRAY_SIZE(steps));
    ck_assert_uint_eq(find(EVENT_QUEUE, 0)->a, 256);
    ck_assert_uint_eq(find(EVENT_QUEUE, 0)->value, 1);
    ck_assert_uint_eq(find(EVENT_QUEUE, 1)->queue, 1);
    ck_assert_mem_eq(find(EVENT_QUEUE, 0)->data, &(uint64_t){drv.ring[0].desc}, 8);
    ck_assert_uint_eq(find(EVENT_ACTIVE, 0)->a, 0);
    ck_assert_ptr_nonnull(nth(EVENT_FEATURES_READ, 0));
    ck_assert_ptr_nonnull(nth(EVENT_FEATURES_WRITE, 0));
}
END_TEST

START_TEST(request_is_told_with_what_was_said)
{
    uint32_t id, len;

    (void)fake_start(&drv, FAKE_VERSION_1);
    memcpy(memory_at(&mem, 0x80000, 8), "question", 8);
    const struct fake_piece pieces[] = {{0x80000, 8, 0}, {0x81000, 8, FAKE_WRITE}};
    fake_offer(&drv.ring[1], fake_chain(&drv.ring[1], pieces, 2));
    fake_write(&drv, FAKE_QUEUE_NOTIFY, 1);
    ck_assert(fake_wait_used(&drv, 1, &id, &len));
    look();
    const struct event *pop = find(EVENT_POP, 0), *push = find(EVENT_PUSH, 0);
    ck_assert_uint_eq(pop->queue, 1);
    ck_assert_uint_eq(pop->id, id);
    ck_assert_uint_eq(pop->a, 8);
    ck_assert_uint_eq(pop->b, 8);
    ck_assert_uint_eq(pop->sent, 8);
    ck_assert_mem_eq(pop->data, "question", 8);
    ck_assert_uint_eq(push->id, id);
    ck_assert_uint_eq(push->b, 8);
    ck_assert_uint_eq(push->sent, 8);
    ck_assert_uint_eq(push->answer, 8);
    ck_assert_uint_eq(push->tail, 0);
    ck_assert_mem_eq(push->data + 8, "question", 8);
    ck_assert_uint_eq(find(EVENT_INTERRUPT, 0)->queue, 1);
}
END_TEST

/* Of what is long there is the beginning, and the end of the answer; of lengths that lie no more
 * than there is. */
START_TEST(long_messages_are_cut)
{
    uint32_t id, len;

    (void)fake_start(&drv, FAKE_VERSION_1);
    memset(memory_at(&mem, 0x80000, 4096), 'a', 4096);
    memset(memory_at(&mem, 0x81000, 4096), 'b', 4096);
    const struct fake_piece pieces[] = {{0x80000, 100, 0},
                                        {0x80800, 900, 0},
                                        {0x81000, 600, FAKE_WRITE},
                                        {0x81800, 1400, FAKE_WRITE}};
    fake_offer(&drv.ring[0], fake_chain(&drv.ring[0], pieces, 4));
    fake_write(&drv, FAKE_QUEUE_NOTIFY, 0);
    ck_assert(fake_wait_used(&drv, 0, &id, &len));
    look();
    const struct event *pop = find(EVENT_POP, 0), *push = find(EVENT_PUSH, 0);
    ck_assert_uint_eq(pop->a, 1000);
    ck_assert_uint_eq(pop->sent, EVENT_DATA_BYTES);
    ck_assert_int_eq(push->sent + push->answer + push->tail, EVENT_DATA_BYTES);
    ck_assert_uint_eq(push->b, 1000);
    ck_assert_uint_eq(push->data[push->sent], 'a');           /* the answer, */
    ck_assert_uint_eq(push->data[EVENT_DATA_BYTES - 1], 'b'); /* and what it has not reached */
}
END_TEST

/* A driver that gives an id twice has two requests under way all the same. */
START_TEST(requests_with_one_id_are_told_apart)
{
    const struct fake_piece pieces[] = {
        {0x80000, 4, 0}, {0x81000, 4, FAKE_WRITE}, {0x82000, 900, FAKE_WRITE}};
    struct virtq *vq = &dev->queue[0];
    struct chain chains[2];

    (void)fake_start(&drv, FAKE_VERSION_1);
    virtio_pause(dev); /* nobody else takes any */
    uint16_t head = fake_chain(&drv.ring[0], pieces, 2);
    fake_offer(&drv.ring[0], head);
    ck_assert_int_eq(virtq_pop(vq, &chains[0]), 1);
    fake_desc(&mem, drv.ring[0].desc, head, (struct fake_piece){0x80000, 4, FAKE_NEXT}, 100);
    fake_desc(&mem, drv.ring[0].desc, 100, pieces[2], 0);
    fake_offer(&drv.ring[0], head);
    ck_assert_int_eq(virtq_pop(vq, &chains[1]), 1);
    memcpy(memory_at(&mem, 0x81000, 4), "left", 4);
    virtq_push(vq, &chains[1]);
    virtq_push(vq, &chains[0]);
    virtio_resume(dev, 0);
    look();
    ck_assert_uint_eq(find(EVENT_PUSH, 0)->id, find(EVENT_PUSH, 1)->id);
    ck_assert_uint_eq(find(EVENT_PUSH, 0)->a, 900);
    ck_assert_uint_eq(find(EVENT_PUSH, 1)->a, 4);
    ck_assert_mem_eq(find(EVENT_PUSH, 1)->data + 4, "left", 4);
}
END_TEST

START_TEST(failure_and_reset_are_told)
{
    echo_of(dev)->fail = true;
    (void)fake_start(&drv, FAKE_VERSION_1);
    const struct fake_piece piece = {0x80000, 8, 0};
    fake_offer(&drv.ring[0], fake_chain(&drv.ring[0], &piece, 1));
    fake_write(&drv, FAKE_QUEUE_NOTIFY, 0);
    ck_assert(fake_wait_status(&drv, 64));
    fake_write(&drv, FAKE_STATUS, 0);
    look();
    const struct event *fail = find(EVENT_FAIL, 0);
    ck_assert_uint_eq(fail->a, EIO);
    ck_assert_uint_eq(fail->sent, 7);
    ck_assert_mem_eq(fail->data, "told to", 7);
    ck_assert_ptr_null(nth(EVENT_FAIL, 1));
    ck_assert_ptr_nonnull(nth(EVENT_CONFIG_NEWS, 0));
    ck_assert_ptr_nonnull(nth(EVENT_RESET, 1)); /* the first one began it */
}
END_TEST

START_TEST(config_space_is_told)
{
    (void)fake_start(&drv, FAKE_VERSION_1);
    uint8_t byte;
    fake_read_bytes(&drv, FAKE_CONFIG + 2, &byte, 1);
    fake_write_bytes(&drv, FAKE_CONFIG + 3, &(uint8_t){0x55}, 1);
    look();
    const struct event *read = find(EVENT_CONFIG_READ, 0), *write = find(EVENT_CONFIG_WRITE, 0);
    ck_assert_uint_eq(read->a, 2);
    ck_assert_uint_eq(read->b, 1);
    ck_assert_uint_eq(read->data[0], 0xa2);
    ck_assert_uint_eq(write->a, 3);
    ck_assert_uint_eq(write->data[0], 0x55);
}
END_TEST

/* As many as fit into the queue of events, which nobody empties: the device works all the same. */
START_TEST(device_never_waits_for_the_writer)
{
    uint32_t id, len;

    (void)fake_start(&drv, FAKE_VERSION_1);
    const struct fake_piece pieces[] = {{0x80000, 8, 0}, {0x81000, 8, FAKE_WRITE}};
    for (unsigned i = 0; i < EVENT_QUEUE_MAX / 2; i++) {
        fake_offer(&drv.ring[0], fake_chain(&drv.ring[0], pieces, 2));
        fake_write(&drv, FAKE_QUEUE_NOTIFY, 0);
        ck_assert(fake_wait_used(&drv, 0, &id, &len));
        ck_assert_uint_eq(len, 8);
    }
    ck_assert_uint_gt(events.lost, 0);
}
END_TEST

Suite *device_events_suite(void);
Suite *device_events_suite(void)
{
    Suite *suite = suite_create("device_events");
    TCase *tc = tcase_create("told");

    tcase_add_checked_fixture(tc, told_setup, told_teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, start_is_told_step_by_step);
    tcase_add_test(tc, request_is_told_with_what_was_said);
    tcase_add_test(tc, long_messages_are_cut);
    if (fake_layout == 0) /* it writes a split ring by hand */
        tcase_add_test(tc, requests_with_one_id_are_told_apart);
    tcase_add_test(tc, failure_and_reset_are_told);
    tcase_add_test(tc, config_space_is_told);
    tcase_add_test(tc, device_never_waits_for_the_writer);
    suite_add_tcase(suite, tc);
    return suite;
}

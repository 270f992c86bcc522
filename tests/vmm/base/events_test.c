/* SPDX-License-Identifier: BSD-3-Clause */
/* The queue of events: order, loss, who is woken, many threads at once. */
#include "vmm/base/events.h"

#include "tests/wrap.h"

#include <check.h>
#include <string.h>
#include <time.h>

#define TELLERS     4
#define TOLD        20000
#define WRITTEN_MAX (TELLERS * TOLD)

static struct events events;
static struct event_sink sink;
static struct event written[WRITTEN_MAX + 64];
static _Atomic unsigned written_count, rests;

static void sink_write(struct event_sink *to, const struct event *event)
{
    (void)to;
    written[written_count] = *event;
    written_count++;
}

static void sink_rest(struct event_sink *to)
{
    (void)to;
    rests++;
}

static void setup(bool live)
{
    sink = (struct event_sink){.write = sink_write, .rest = sink_rest};
    written_count = rests = 0;
    ck_assert_int_eq(events_init(&events, live), 0);
    events_add(&events, &sink);
}

static void setup_live(void)
{
    setup(true);
}

static void teardown(void)
{
    events_stop(&events);
    events_fini(&events);
}

static bool tell(uint32_t a)
{
    struct event *event = events_begin(&events, EVENT_STATUS);

    if (event == NULL)
        return false;
    event->a = a;
    events_end(&events, event);
    return true;
}

static unsigned count_of(enum event_kind kind)
{
    unsigned count = 0;

    for (unsigned i = 0; i < written_count; i++)
        count += written[i].kind == kind;
    return count;
}

/* The writer has written so many, within 10 s. */
static bool comes_to(unsigned count)
{
    const struct timespec ms = {.tv_nsec = 1000000};

    for (unsigned i = 0; i < 10000 && written_count < count; i++)
        (void)nanosleep(&ms, NULL);
    return written_count >= count;
}

static void tell_three(void *arg)
{
    (void)arg;
    for (uint32_t i = 0; i < 3; i++)
        (void)tell(i);
}

START_TEST(thread_tells_its_name_and_then_in_order)
{
    struct thread thread = {0};

    ck_assert_int_eq(thread_start(&thread, THREAD_WORKER, "teller", tell_three, NULL), 0);
    thread_join(&thread);
    events_stop(&events);
    ck_assert_uint_eq(written_count, 4);
    ck_assert_uint_eq(written[0].kind, EVENT_THREAD);
    ck_assert_uint_eq(written[0].sent, 6);
    ck_assert_mem_eq(written[0].data, "teller", 6);
    for (uint32_t i = 0; i < 3; i++) {
        ck_assert_uint_eq(written[i + 1].kind, EVENT_STATUS);
        ck_assert_uint_eq(written[i + 1].a, i);
        ck_assert_int_eq(written[i + 1].thread, written[0].thread);
        ck_assert_uint_ge(written[i + 1].at_ns, written[i].at_ns);
    }
}
END_TEST

START_TEST(live_event_is_written_while_others_may_follow)
{
    ck_assert_int_eq(events_start(&events), 0);
    for (uint32_t i = 0; i < 5; i++) {
        unsigned before = written_count;
        ck_assert(tell(i));
        ck_assert(comes_to(before + 1));
    }
}
END_TEST

/* Who wants them at the end only has nobody woken for a few. */
START_TEST(writer_sleeps_until_there_is_much_to_write)
{
    teardown();
    setup(false);
    ck_assert_int_eq(events_start(&events), 0);
    for (uint32_t i = 0; i < EVENT_QUEUE_MAX / 4 + 1; i++)
        ck_assert(tell(i));
    ck_assert(comes_to(EVENT_QUEUE_MAX / 4));
    unsigned before = rests;
    for (uint32_t i = 0; i < EVENT_QUEUE_MAX / 8; i++)
        ck_assert(tell(i));
    ck_assert_uint_le(rests, before + 1);
    events_stop(&events);
    ck_assert_uint_ge(written_count, EVENT_QUEUE_MAX / 4 + 1 + EVENT_QUEUE_MAX / 8);
}
END_TEST

START_TEST(what_finds_no_room_is_counted_and_told)
{
    unsigned told = 0;

    while (tell(0))
        told++;
    for (unsigned i = 0; i < 9; i++)
        ck_assert(!tell(0));
    ck_assert_uint_ge(told, EVENT_QUEUE_MAX - 1); /* the name of this thread may be one */
    events_stop(&events);
    ck_assert_uint_eq(count_of(EVENT_STATUS), told);
    ck_assert_uint_eq(count_of(EVENT_LOST), 1);
    for (unsigned i = 0; i < written_count; i++)
        if (written[i].kind == EVENT_LOST)
            ck_assert_uint_eq(written[i].value, 10);
    ck_assert(tell(0)); /* there is room again */
}
END_TEST

static void tell_many(void *arg)
{
    for (uint32_t i = 0; i < TOLD; i++)
        if (!tell(*(const uint32_t *)arg << 24 | i))
            sched_yield();
}

/* Each event is written once or counted as lost, and those of a thread keep their order. */
START_TEST(many_threads_lose_nothing_unseen)
{
    uint32_t number[TELLERS];
    struct thread threads[TELLERS] = {0};
    uint32_t next[TELLERS] = {0};
    uint64_t lost = 0;

    ck_assert_int_eq(events_start(&events), 0);
    for (uint32_t i = 0; i < TELLERS; i++) {
        number[i] = i;
        ck_assert_int_eq(thread_start(&threads[i], THREAD_WORKER, "teller", tell_many, &number[i]),
                         0);
    }
    for (unsigned i = 0; i < TELLERS; i++)
        thread_join(&threads[i]);
    events_stop(&events);
    for (unsigned i = 0; i < written_count; i++) {
        if (written[i].kind == EVENT_LOST)
            lost += written[i].value;
        if (written[i].kind != EVENT_STATUS)
            continue;
        uint32_t who = written[i].a >> 24, which = written[i].a & 0xffffff;
        ck_assert_uint_ge(which, next[who]);
        next[who] = which + 1;
    }
    ck_assert_uint_eq(count_of(EVENT_STATUS) + count_of(EVENT_THREAD) + lost,
                      TELLERS * TOLD + TELLERS);
}
END_TEST

START_TEST(failed_init_leaves_nothing)
{
    static const enum wrap_call calls[] = {WRAP_EVENTFD, WRAP_MMAP};
    struct events failing;

    wrap_fail_after(calls[_i], 0, ENOMEM);
    ck_assert_int_eq(events_init(&failing, true), -ENOMEM);
    ck_assert_uint_eq(wrap_stop(calls[_i]), 1);
    events_fini(&(struct events){0});
}
END_TEST

Suite *events_suite(void);
Suite *events_suite(void)
{
    Suite *suite = suite_create("events");
    TCase *tc = tcase_create("queue");

    tcase_add_checked_fixture(tc, setup_live, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, thread_tells_its_name_and_then_in_order);
    tcase_add_test(tc, live_event_is_written_while_others_may_follow);
    tcase_add_test(tc, writer_sleeps_until_there_is_much_to_write);
    tcase_add_test(tc, what_finds_no_room_is_counted_and_told);
    tcase_add_test(tc, many_threads_lose_nothing_unseen);
    tcase_add_loop_test(tc, failed_init_leaves_nothing, 0, 2);
    suite_add_tcase(suite, tc);
    return suite;
}

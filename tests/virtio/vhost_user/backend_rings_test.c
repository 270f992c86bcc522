/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of virtio/vhost_user/rings.c: rings that start, stop and change, in the orders of several
 * front-ends, and what becomes of the device meanwhile. */
#include "tests/virtio/vhost_user/front_fixture.h"

#include <fcntl.h>
#include <sys/eventfd.h>

Suite *backend_rings_suite(void);

/* -- whole sessions -- */

/* QEMU 10, as it was seen: dummy calls at start-up, calls after kicks and once more. */
static void qemu(void)
{
    (void)fake_front_ask(&front, VHOST_USER_GET_FEATURES);
    (void)fake_front_ask(&front, VHOST_USER_GET_PROTOCOL_FEATURES);
    fake_front_say_u64(&front, VHOST_USER_SET_PROTOCOL_FEATURES, PROTOCOL);
    ck_assert_uint_eq(fake_front_ask(&front, VHOST_USER_GET_QUEUE_NUM), 2);
    ck_assert_uint_eq(fake_front_ask(&front, VHOST_USER_GET_MAX_MEM_SLOTS), 64);
    fake_front_say(&front, VHOST_USER_SET_OWNER, 0);
    (void)fake_front_ask(&front, VHOST_USER_GET_FEATURES);
    for (uint32_t i = 0; i < 2; i++) {
        fake_front_say_fd(&front, VHOST_USER_SET_VRING_CALL, i, front.error[7]);
        fake_front_say_fd(&front, VHOST_USER_SET_VRING_ERR, i, front.error[i]);
    }
    start(0);
    for (uint32_t i = 0; i < 2; i++) {
        ck_assert_uint_ne(fake_front_ask(&front, VHOST_USER_GET_FEATURES), UINT64_MAX);
        fake_front_say_fd(&front, VHOST_USER_SET_VRING_CALL, i, front.call[i]);
    }
}

static void crosvm(void)
{
    fake_front_say(&front, VHOST_USER_SET_OWNER, 0);
    (void)fake_front_ask(&front, VHOST_USER_GET_FEATURES);
    (void)fake_front_ask(&front, VHOST_USER_GET_PROTOCOL_FEATURES);
    fake_front_say_u64(&front, VHOST_USER_SET_PROTOCOL_FEATURES, 1u << 0 | 1u << 3 | 1u << 9);
    ck_assert_uint_eq(fake_front_ask(&front, VHOST_USER_GET_QUEUE_NUM), 2);
    fake_front_say_u64(&front, VHOST_USER_SET_FEATURES, FEATURES);
    fake_front_say_table(&front);
    for (uint32_t i = 0; i < 2; i++) {
        fake_front_say_ring(&front, VHOST_USER_SET_VRING_NUM, i, 16);
        fake_front_say_address(&front, i);
        fake_front_say_ring(&front, VHOST_USER_SET_VRING_BASE, i, 0);
        fake_front_say_fd(&front, VHOST_USER_SET_VRING_CALL, i, front.call[i]);
        fake_front_say_fd(&front, VHOST_USER_SET_VRING_KICK, i, front.kick[i]);
        fake_front_say_ring(&front, VHOST_USER_SET_VRING_ENABLE, i, 1);
    }
}

/* Asks for an answer to everything. */
static void acked(void)
{
    ck_assert_uint_eq(fake_front_ack(&front), 0);
}

static void cloud_hypervisor(void)
{
    fake_front_say(&front, VHOST_USER_SET_OWNER, 0);
    (void)fake_front_ask(&front, VHOST_USER_GET_FEATURES);
    (void)fake_front_ask(&front, VHOST_USER_GET_PROTOCOL_FEATURES);
    fake_front_say_u64(&front, VHOST_USER_SET_PROTOCOL_FEATURES, PROTOCOL & ~(1u << 13));
    front.flags = VHOST_USER_NEED_REPLY;
    ck_assert_uint_eq(fake_front_ask(&front, VHOST_USER_GET_QUEUE_NUM), 2);
    fake_front_say_u64(&front, VHOST_USER_SET_FEATURES, FEATURES);
    acked();
    fake_front_say_table(&front);
    acked();
    for (uint32_t i = 0; i < 2; i++) {
        fake_front_say_ring(&front, VHOST_USER_SET_VRING_NUM, i, 16);
        acked();
    }
    for (uint32_t i = 0; i < 2; i++) {
        fake_front_say_address(&front, i);
        acked();
        fake_front_say_ring(&front, VHOST_USER_SET_VRING_BASE, i, front.ring[i].avail_idx);
        acked();
        fake_front_say_fd(&front, VHOST_USER_SET_VRING_CALL, i, front.call[i]);
        acked();
        fake_front_say_fd(&front, VHOST_USER_SET_VRING_KICK, i, front.kick[i]);
        acked();
    }
    for (uint32_t i = 0; i < 2; i++) {
        fake_front_say_ring(&front, VHOST_USER_SET_VRING_ENABLE, i, 1);
        acked();
    }
    front.msg.fd[front.msg.fd_count++] = front.kick[7];
    fake_front_say(&front, VHOST_USER_SET_BACKEND_REQ_FD, 0);
    acked();
    front.flags = 0;
}

static void (*const sessions[])(void) = {qemu, crosvm, cloud_hypervisor};

/* proves: VU-21, VU-24 */
START_TEST(rings_work_in_the_order_of_any_front_end)
{
    uint32_t base[2];

    fake_front_rings(&front, 16);
    sessions[_i]();
    fake_front_advance(&front, 10 * MS_NS); /* crosvm's second ring is waited for */
    ping(0);
    ping(1);
    ping(0);
    stop(base);
    ck_assert_uint_eq(base[0], 2);
    ck_assert_uint_eq(base[1], 1);
    ck_assert_uint_eq(atomic_load(&echo->activated), 1);
}
END_TEST

/* proves: VU-21 */
START_TEST(what_is_there_before_a_ring_works_is_served_without_a_kick)
{
    fake_front_rings(&front, 16);
    offer(0);
    offer(1);
    sessions[_i]();
    fake_front_advance(&front, 10 * MS_NS);
    ck_assert(answered(0));
    ck_assert(answered(1));
}
END_TEST

/* -- states -- */

/* proves: VU-20, VU-22, VU-28 */
START_TEST(ring_works_if_it_is_started_and_enabled)
{
    negotiate(PROTOCOL);
    fake_front_rings(&front, 16);
    fake_front_say_u64(&front, VHOST_USER_SET_FEATURES, FEATURES);
    fake_front_say_table(&front);
    fake_front_say_ring(&front, VHOST_USER_SET_VRING_ENABLE, 1, 1); /* never set up */
    start_ring(0, 0);
    offer(0);
    fake_front_kick(&front, 0);
    fake_front_advance(&front, 2 * SECOND_NS);
    ck_assert_uint_eq(atomic_load(&echo->activated), 0);
    fake_front_say_ring(&front, VHOST_USER_SET_VRING_ENABLE, 0, 1);
    fake_front_advance(&front, 10 * MS_NS);
    ck_assert(answered(0));
    start_ring(1, 0); /* enabled before */
    ping(1);
    ping(0);
    ck_assert_uint_eq(atomic_load(&echo->activated), 1);
}
END_TEST

START_TEST(rings_of_one_who_cannot_enable_them_are)
{
    fake_front_rings(&front, 16);
    (void)fake_front_ask(&front, VHOST_USER_GET_FEATURES);
    fake_front_say_u64(&front, VHOST_USER_SET_FEATURES, 1ull << 32);
    fake_front_say_table(&front);
    start_ring(0, 0);
    start_ring(1, 0);
    ping(0);
    ping(1);
}
END_TEST

/* proves: VU-29 */
START_TEST(stopped_ring_is_left_alone)
{
    uint32_t base[2];

    begin();
    ping(0);
    stop(base);
    (void)fake_front_calls(front.call[0]);
    offer(0);
    fake_front_kick(&front, 0);
    fake_front_advance(&front, 2 * SECOND_NS);
    uint32_t id, len;
    ck_assert(!fake_used(&front.ring[0], &id, &len));
    ck_assert_uint_eq(fake_front_calls(front.call[0]), 0);
    ck_assert_uint_eq(atomic_load(&echo->taken), 1);
    ck_assert_int_eq(front.backend.ring[0].call, -1);
    ck_assert_int_eq(front.backend.ring[0].kick.fd, -1);
    ck_assert_uint_ne(fake_front_ask(&front, VHOST_USER_GET_FEATURES), UINT64_MAX);
}
END_TEST

static void wait_taken(unsigned count)
{
    for (unsigned i = 0; i < 20000 && atomic_load(&echo->taken) < count; i++)
        (void)usleep(1000);
    ck_assert_uint_ge(atomic_load(&echo->taken), count);
}

/* proves: VU-25, VU-30 */
START_TEST(pause_of_the_machine_is_no_new_life)
{
    uint32_t base[2];

    echo->hold = true;
    begin();
    offer(0);
    fake_front_kick(&front, 0);
    wait_taken(1);
    stop(base);
    ck_assert_uint_eq(base[0], 1); /* taken, and not returned */
    ck_assert_uint_eq(echo->held_count, 1);
    echo->hold = false;
    fake_front_say_u64(&front, VHOST_USER_SET_FEATURES, FEATURES);
    for (uint32_t i = 0; i < 2; i++)
        start_ring(i, base[i]);
    fake_front_say_ring(&front, VHOST_USER_SET_VRING_ENABLE, 0, 1);
    fake_front_advance(&front, 999 * MS_NS); /* the other one worked, too: it is waited for */
    fake_front_say_ring(&front, VHOST_USER_SET_VRING_ENABLE, 1, 1);
    ping(0);
    ping(1);
    ck_assert_uint_eq(echo->held_count, 1);
    ck_assert_uint_eq(atomic_load(&echo->reset), 0);
    ck_assert_uint_eq(atomic_load(&echo->activated), 1);
}
END_TEST

/* proves: VU-31 */
START_TEST(start_elsewhere_is_a_new_life)
{
    uint32_t base[2];

    begin();
    ping(0);
    ping(0);
    stop(base);
    fake_avail_idx_set(&front.ring[0], 3);
    start(3); /* of the first ring one further */
    ck_assert_uint_eq(atomic_load(&echo->reset), 1);
    ck_assert_uint_eq(atomic_load(&echo->activated), 2);
}
END_TEST

/* proves: VU-31 */
START_TEST(start_from_nothing_is_a_new_life)
{
    uint32_t base[2];

    begin();
    ping(0);
    stop(base);
    fake_front_rings(&front, 16);
    start(0);
    ck_assert_uint_eq(atomic_load(&echo->reset), 1);
    ck_assert_uint_eq(atomic_load(&echo->activated), 2);
    ping(0);
    ping(1);
}
END_TEST

/* proves: VU-31 */
START_TEST(reset_device_is_a_new_life_at_any_time)
{
    negotiate(PROTOCOL);
    fake_front_say(&front, VHOST_USER_RESET_DEVICE, 0);
    fake_front_rings(&front, 16);
    start(0);
    ping(0);
    fake_front_say(&front, VHOST_USER_RESET_DEVICE, 0);
    ck_assert_uint_eq(atomic_load(&echo->reset), 1);
    fake_front_rings(&front, 16);
    start(0);
    ping(1);
}
END_TEST

START_TEST(reset_owner_disables_all_rings)
{
    begin();
    ping(0);
    fake_front_say(&front, VHOST_USER_RESET_OWNER, 0);
    offer(0);
    fake_front_kick(&front, 0);
    ck_assert_uint_eq(atomic_load(&echo->taken), 1);
    for (uint32_t i = 0; i < 2; i++)
        fake_front_say_ring(&front, VHOST_USER_SET_VRING_ENABLE, i, 1);
    ck_assert(answered(0));
}
END_TEST

/* proves: VU-30 */
START_TEST(ring_with_requests_that_stops_alone_stops_after_a_while)
{
    echo->hold = true;
    begin();
    offer(0);
    fake_front_kick(&front, 0);
    wait_taken(1);
    fake_front_say_ring(&front, VHOST_USER_SET_VRING_ENABLE, 0, 0);
    echo->hold = false;
    offer(1);
    fake_front_kick(&front, 1);
    fake_front_advance(&front, 999 * MS_NS); /* the other one may be about to stop, too */
    ck_assert_uint_eq(atomic_load(&echo->taken), 1);
    fake_front_advance(&front, MS_NS);
    ck_assert(answered(1));
    ck_assert_uint_eq(atomic_load(&echo->queue_reset), 1);
    fake_front_say_ring(&front, VHOST_USER_SET_VRING_ENABLE, 0, 1);
    ck_assert(answered(0)); /* nothing was used there: it is taken again */
    ping(0);
    ping(1);
    ck_assert_uint_eq(atomic_load(&echo->reset), 0);
}
END_TEST

/* proves: VU-29, VU-30 */
START_TEST(ring_that_stops_alone_holds_up_no_other_and_is_left_alone)
{
    begin();
    ping(0);
    fake_front_say_ring(&front, VHOST_USER_SET_VRING_ENABLE, 0, 0);
    ping(1); /* no time passes */
    offer(0);
    fake_front_kick(&front, 0);
    virtq_kick(&front.dev->queue[0]); /* nor does the device itself look at it */
    ping(1);
    ck_assert_uint_eq(atomic_load(&echo->taken), 3);
    fake_front_say_ring(&front, VHOST_USER_SET_VRING_ENABLE, 0, 1);
    ck_assert(answered(0)); /* without a kick */
    ping(0);
    ck_assert_uint_eq(atomic_load(&echo->reset), 0);
    ck_assert_uint_eq(atomic_load(&echo->queue_reset), 0);
}
END_TEST

/* proves: VU-31 */
START_TEST(ring_that_stopped_alone_may_begin_anew)
{
    begin();
    ping(0);
    ping(1);
    fake_front_say_ring(&front, VHOST_USER_SET_VRING_ENABLE, 0, 0);
    fake_front_say_ring(&front, VHOST_USER_GET_VRING_BASE, 0, 0);
    ck_assert(fake_front_hears(&front));
    ck_assert_uint_eq(front.rx.msg.payload.state.num, 1);
    ping(1);
    front.ring[0] = front.ring[2]; /* elsewhere */
    start_ring(0, 0);
    fake_front_say_ring(&front, VHOST_USER_SET_VRING_ENABLE, 0, 1);
    ping(0);
    ping(1);
    ck_assert_uint_eq(atomic_load(&echo->reset), 0); /* the device is the same */
    ck_assert_uint_eq(atomic_load(&echo->queue_reset), 1);
}
END_TEST

/* With one put aside before; the one that was not used begins as it did, the other one anew.
 * proves: VU-30, VU-31 */
START_TEST(pause_of_a_machine_with_a_ring_aside_is_no_new_life_and_its_reset_is)
{
    uint32_t base[2];

    begin();
    ping(0);
    fake_front_say_ring(&front, VHOST_USER_SET_VRING_ENABLE, 0, 0);
    stop(base);
    ck_assert_uint_eq(base[0], 1);
    ck_assert_uint_eq(base[1], 0);
    start_ring(0, 1);
    start_ring(1, 0);
    fake_front_say_ring(&front, VHOST_USER_SET_VRING_ENABLE, 1, 1);
    ping(1); /* at once: the other one did not work before */
    fake_front_say_ring(&front, VHOST_USER_SET_VRING_ENABLE, 0, 1);
    ping(0);
    ck_assert_uint_eq(atomic_load(&echo->reset), 0);
    stop(base);
    fake_front_rings(&front, 16);
    start(0);
    ping(0);
    ping(1);
    ck_assert_uint_eq(atomic_load(&echo->reset), 1);
}
END_TEST

/* -- eventfds -- */

/* proves: VU-26, VU-27 */
START_TEST(call_may_be_replaced_or_removed_while_the_ring_works)
{
    begin();
    fake_front_say_fd(&front, VHOST_USER_SET_VRING_CALL, 0, front.error[0]);
    (void)fake_front_calls(front.call[0]);
    offer(0);
    fake_front_kick(&front, 0);
    struct fake_ring seen = front.ring[0];
    uint32_t id, len;
    for (unsigned i = 0; i < 5000 && !fake_used(&seen, &id, &len); i++)
        (void)usleep(1000);
    fake_front_say_ring(&front, VHOST_USER_SET_VRING_ENABLE, 0, 0); /* the worker is done */
    ck_assert_uint_eq(fake_front_calls(front.call[0]), 0);
    ck_assert_uint_eq(fake_front_calls(front.error[0]), 1);
    fake_front_say_ring(&front, VHOST_USER_SET_VRING_ENABLE, 0, 1);
    fake_front_say_fd(&front, VHOST_USER_SET_VRING_CALL, 0, -1);
    offer(0);
    fake_front_kick(&front, 0);
    for (unsigned i = 0; i < 5000 && fake_used_idx(&front.ring[0]) < 2; i++)
        (void)usleep(1000);
    fake_front_say_ring(&front, VHOST_USER_SET_VRING_ENABLE, 0, 0);
    ck_assert_uint_eq(fake_used_idx(&front.ring[0]), 2);
    ck_assert_uint_eq(fake_front_calls(front.error[0]), 0);
}
END_TEST

START_TEST(kick_may_be_replaced_while_the_ring_works)
{
    begin();
    ping(0);
    fake_front_say_fd(&front, VHOST_USER_SET_VRING_KICK, 0, front.error[0]);
    offer(0);
    ck_assert_int_eq(eventfd_write(front.error[0], 1), 0);
    ck_assert(answered(0));
    ck_assert_uint_eq(atomic_load(&echo->activated), 1);
}
END_TEST

START_TEST(kick_without_an_eventfd_is_refused)
{
    negotiate(PROTOCOL);
    front.flags = VHOST_USER_NEED_REPLY;
    fake_front_say_fd(&front, VHOST_USER_SET_VRING_KICK, 0, -1); /* to be polled */
    ck_assert_uint_eq(fake_front_ack(&front), 1);
    fake_front_say_u64(&front, VHOST_USER_SET_VRING_CALL, 0); /* there should be one */
    ck_assert_uint_eq(fake_front_ack(&front), 1);
    fake_front_say_u64(&front, VHOST_USER_SET_VRING_CALL, 0x200);
    ck_assert_uint_eq(fake_front_ack(&front), 1);
}
END_TEST

START_TEST(kick_that_cannot_be_watched_ends_the_connection)
{
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

    begin();
    fake_front_say_fd(&front, VHOST_USER_SET_VRING_KICK, 0, file);
    (void)close(file);
    ck_assert(fake_front_is_left(&front));
}
END_TEST

/* A front-end that fills the eventfd up and has it block. */
START_TEST(call_that_is_full_holds_nobody_up)
{
    begin();
    ck_assert_int_eq(eventfd_write(front.call[0], UINT64_MAX - 1), 0);
    ck_assert_int_eq(fcntl(front.call[0], F_SETFL, 0), 0);
    offer(0);
    fake_front_kick(&front, 0);
    ping(1);
    for (unsigned i = 0; i < 5000 && fake_used_idx(&front.ring[0]) < 1; i++)
        (void)usleep(1000);
    ck_assert_uint_eq(fake_used_idx(&front.ring[0]), 1);
}
END_TEST

/* -- what is wrong -- */

static const struct {
    uint32_t request, index, num;
} bad[] = {
    {VHOST_USER_SET_VRING_NUM, 2, 16},      {VHOST_USER_SET_VRING_NUM, UINT32_MAX, 16},
    {VHOST_USER_SET_VRING_NUM, 0, 0},       {VHOST_USER_SET_VRING_NUM, 0, 3},
    {VHOST_USER_SET_VRING_NUM, 0, 512},     {VHOST_USER_SET_VRING_NUM, 0, 32768},
    {VHOST_USER_SET_VRING_NUM, 0, 0x10010}, {VHOST_USER_SET_VRING_BASE, 2, 0},
    {VHOST_USER_GET_VRING_BASE, 2, 0},      {VHOST_USER_SET_VRING_ENABLE, 2, 1},
    {VHOST_USER_SET_VRING_ENABLE, 0, 2},
};

/* proves: VU-23, VU-43 */
START_TEST(rings_that_are_not_or_cannot_be_are_refused)
{
    begin();
    front.flags = VHOST_USER_NEED_REPLY;
    fake_front_say_ring(&front, bad[_i].request, bad[_i].index, bad[_i].num);
    ck_assert_uint_eq(fake_front_ack(&front), 1);
    front.flags = 0;
    ping(0);
    fake_front_say_ring(&front, bad[_i].request, bad[_i].index, bad[_i].num);
    ck_assert(fake_front_is_left(&front));
}
END_TEST

START_TEST(address_of_no_ring_is_refused)
{
    negotiate(PROTOCOL);
    front.ring[2] = front.ring[0];
    fake_front_say_address(&front, 2);
    ck_assert(fake_front_is_left(&front));
}
END_TEST

static bool has_failed(void)
{
    for (unsigned i = 0; i < 5000 && fake_front_calls(front.error[0]) == 0; i++)
        (void)usleep(1000);
    return virtio_failed(front.dev);
}

static void begin_with_errors(void)
{
    begin();
    for (uint32_t i = 0; i < 2; i++)
        fake_front_say_fd(&front, VHOST_USER_SET_VRING_ERR, i, front.error[i]);
}

/* proves: VU-33 */
START_TEST(broken_ring_is_told_and_served_no_more)
{
    uint32_t base[2];

    begin_with_errors();
    fake_avail_idx_set(&front.ring[0], 99);
    fake_front_kick(&front, 0);
    ck_assert(has_failed());
    offer(1);
    fake_front_kick(&front, 1);
    stop(base);
    ck_assert_uint_eq(atomic_load(&echo->taken), 0);
    fake_front_rings(&front, 16);
    start(0);
    ping(0); /* a new life */
}
END_TEST

/* proves: VU-13 */
START_TEST(ring_outside_of_memory_is_told)
{
    negotiate(PROTOCOL);
    fake_front_rings(&front, 16);
    fake_front_say_fd(&front, VHOST_USER_SET_VRING_ERR, 0, front.error[0]);
    front.ring[0].desc = FRONT_RAM_BYTES - 16;
    start(0);
    ck_assert(has_failed());
    ck_assert(!fake_front_is_left(&front));
}
END_TEST

/* -- memory -- */

/* proves: VU-15 */
START_TEST(memory_may_change_while_rings_work)
{
    begin_with_errors();
    ping(0);
    fake_front_say_table(&front); /* the same: nothing is disturbed */
    ping(0);
    ck_assert_uint_eq(atomic_load(&echo->activated), 1);
    front.msg.payload.table.region[0].size -= 4096;
    front.msg.payload.table.count = 1;
    front.msg.fd[front.msg.fd_count++] = front.ram.fd;
    fake_front_say(&front, VHOST_USER_SET_MEM_TABLE, 40); /* elsewhere: rings are found again */
    ping(0);
    ping(1);
    front.msg.payload.table.count = 0;
    fake_front_say(&front, VHOST_USER_SET_MEM_TABLE, 8);
    ck_assert(has_failed());
}
END_TEST

START_TEST(memory_stays_mapped_as_long_as_requests_are_there)
{
    echo->hold = true;
    begin();
    offer(0);
    fake_front_kick(&front, 0);
    for (unsigned i = 0; i < 5000 && atomic_load(&echo->taken) < 1; i++)
        (void)usleep(1000);
    fake_front_say_ring(&front, VHOST_USER_SET_VRING_ENABLE, 0, 0);
    fake_front_say_ring(&front, VHOST_USER_SET_VRING_ENABLE, 1, 0);
    front.msg.payload.table.count = 0;
    fake_front_say(&front, VHOST_USER_SET_MEM_TABLE, 8);
    ck_assert_uint_eq(front.mem.gone_count, 1);
    fake_front_say(&front, VHOST_USER_RESET_DEVICE, 0);
    front.msg.payload.table.count = 0;
    fake_front_say(&front, VHOST_USER_SET_MEM_TABLE, 8);
    ck_assert_uint_eq(front.mem.gone_count, 0);
}
END_TEST

/* Devices may use their queues up to the end of a reset. */
START_TEST(rings_stay_mapped_until_the_device_is_reset)
{
    echo->pops = true;
    begin_with_errors();
    ping(0);
    front.msg.payload.table.count = 0;
    fake_front_say(&front, VHOST_USER_SET_MEM_TABLE, 8);
    ck_assert(has_failed());
    ck_assert_uint_eq(front.mem.gone_count, 0);
}
END_TEST

#define SECOND 0x300000ull /* where a second region begins */

static void say_regions(unsigned count)
{
    front.msg.payload.table = (struct vhost_user_table){
        .count = count,
        .region = {{0, SECOND, FRONT_USER, 0},
                   {SECOND, FRONT_RAM_BYTES - SECOND, FRONT_USER + SECOND, SECOND}}};
    for (unsigned i = 0; i < count; i++)
        front.msg.fd[front.msg.fd_count++] = front.ram.fd;
    fake_front_say(&front, VHOST_USER_SET_MEM_TABLE, 8 + 32 * count);
}

START_TEST(ring_put_aside_holds_no_memory)
{
    negotiate(PROTOCOL);
    fake_front_rings(&front, 16);
    fake_ring_init(&front.ring[1], &front.ram, 16, SECOND, 1ull << 32);
    fake_front_say_u64(&front, VHOST_USER_SET_FEATURES, FEATURES);
    say_regions(2);
    for (uint32_t i = 0; i < 2; i++) {
        start_ring(i, 0);
        fake_front_say_ring(&front, VHOST_USER_SET_VRING_ENABLE, i, 1);
    }
    ping(0);
    fake_front_say_ring(&front, VHOST_USER_SET_VRING_ENABLE, 1, 0);
    ping(0);
    say_regions(1);
    ck_assert_uint_eq(front.mem.gone_count, 0);
    ping(0);
    ck_assert_uint_eq(atomic_load(&echo->activated), 1);
}
END_TEST

Suite *backend_rings_suite(void)
{
    Suite *suite = suite_create("backend_rings");
    TCase *tcase = tcase_create("rings");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, rings_work_in_the_order_of_any_front_end, 0, 3);
    tcase_add_loop_test(tcase, what_is_there_before_a_ring_works_is_served_without_a_kick, 0, 3);
    tcase_add_test(tcase, ring_works_if_it_is_started_and_enabled);
    tcase_add_test(tcase, rings_of_one_who_cannot_enable_them_are);
    tcase_add_test(tcase, stopped_ring_is_left_alone);
    tcase_add_test(tcase, pause_of_the_machine_is_no_new_life);
    tcase_add_test(tcase, start_elsewhere_is_a_new_life);
    tcase_add_test(tcase, start_from_nothing_is_a_new_life);
    tcase_add_test(tcase, reset_device_is_a_new_life_at_any_time);
    tcase_add_test(tcase, reset_owner_disables_all_rings);
    tcase_add_test(tcase, ring_with_requests_that_stops_alone_stops_after_a_while);
    tcase_add_test(tcase, ring_that_stops_alone_holds_up_no_other_and_is_left_alone);
    tcase_add_test(tcase, ring_that_stopped_alone_may_begin_anew);
    tcase_add_test(tcase, pause_of_a_machine_with_a_ring_aside_is_no_new_life_and_its_reset_is);
    tcase_add_test(tcase, call_may_be_replaced_or_removed_while_the_ring_works);
    tcase_add_test(tcase, kick_may_be_replaced_while_the_ring_works);
    tcase_add_test(tcase, kick_without_an_eventfd_is_refused);
    tcase_add_test(tcase, kick_that_cannot_be_watched_ends_the_connection);
    tcase_add_test(tcase, call_that_is_full_holds_nobody_up);
    tcase_add_loop_test(tcase, rings_that_are_not_or_cannot_be_are_refused, 0, ARRAY_SIZE(bad));
    tcase_add_test(tcase, address_of_no_ring_is_refused);
    tcase_add_test(tcase, broken_ring_is_told_and_served_no_more);
    tcase_add_test(tcase, ring_outside_of_memory_is_told);
    tcase_add_test(tcase, memory_may_change_while_rings_work);
    tcase_add_test(tcase, memory_stays_mapped_as_long_as_requests_are_there);
    tcase_add_test(tcase, rings_stay_mapped_until_the_device_is_reset);
    tcase_add_test(tcase, ring_put_aside_holds_no_memory);
    suite_add_tcase(suite, tcase);
    return suite;
}

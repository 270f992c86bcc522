/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of virtio/vhost_user/: what a front-end may ask, and what it gets for what it may not.
 * Rings are in backend_rings_test.c. */
#include "tests/virtio/vhost_user/front_fixture.h"

#include <fcntl.h>
#include <sys/socket.h>

Suite *backend_suite(void);

/* -- features -- */

/* proves: VU-04, VU-05 */
START_TEST(features_are_those_of_the_device_and_bit_30)
{
    /* echo's 0 and 5, INDIRECT_DESC, EVENT_IDX, VERSION_1; neither LOG_ALL nor ACCESS_PLATFORM */
    const uint64_t offered = 1u << 0 | 1u << 5 | 1u << 29 | FEATURES;
    uint64_t features = fake_front_ask(&front, VHOST_USER_GET_FEATURES);

    ck_assert_uint_eq(features & (offered | 1ull << 26 | 1ull << 33 | 1ull << 38 | 1ull << 40),
                      offered);
}
END_TEST

/* proves: VU-04, VU-06 */
START_TEST(features_that_are_not_offered_are_refused)
{
    static const uint64_t odd[] = {1ull << 26, 1ull << 33, 1ull << 40, 1ull << 63};

    negotiate(PROTOCOL);
    front.flags = VHOST_USER_NEED_REPLY;
    fake_front_say_u64(&front, VHOST_USER_SET_FEATURES, FEATURES | odd[_i]);
    ck_assert_uint_eq(fake_front_ack(&front), 1);
    fake_front_say_u64(&front, VHOST_USER_SET_FEATURES, FEATURES | 1);
    ck_assert_uint_eq(fake_front_ack(&front), 0);
    fake_front_say_u64(&front, VHOST_USER_SET_FEATURES, FEATURES | 1); /* twice in a row */
    ck_assert_uint_eq(fake_front_ack(&front), 0);
    fake_front_say_u64(&front, VHOST_USER_SET_PROTOCOL_FEATURES, PROTOCOL | 1u << 1);
    ck_assert_uint_eq(fake_front_ack(&front), 1);
}
END_TEST

/* proves: VU-07 */
START_TEST(replies_come_if_negotiated_and_asked_for)
{
    front.flags = VHOST_USER_NEED_REPLY;
    fake_front_say(&front, VHOST_USER_SET_OWNER, 0);
    ck_assert(!fake_front_hears(&front));
    fake_front_say_u64(&front, VHOST_USER_SET_PROTOCOL_FEATURES, PROTOCOL);
    ck_assert_uint_eq(fake_front_ack(&front), 0); /* negotiated by then */
    fake_front_say(&front, VHOST_USER_SET_OWNER, 0);
    ck_assert_uint_eq(fake_front_ack(&front), 0);
    ck_assert_uint_eq(fake_front_ask(&front, VHOST_USER_GET_QUEUE_NUM),
                      2); /* one answer, its own */
    ck_assert(!fake_front_hears(&front));
    front.flags = 0;
    fake_front_say(&front, VHOST_USER_SET_OWNER, 0);
    ck_assert(!fake_front_hears(&front));
}
END_TEST

/* proves: VU-08 */
START_TEST(messages_are_served_in_their_order)
{
    front.flags = 0;
    negotiate(PROTOCOL);
    fake_front_say_u64(&front, VHOST_USER_SET_FEATURES, FEATURES | 1);
    ck_assert_uint_ne(fake_front_ask(&front, VHOST_USER_GET_FEATURES), UINT64_MAX);
    ck_assert_uint_eq(front.backend.features, (FEATURES | 1) & ~(1ull << 30));
}
END_TEST

/* proves: VU-09 */
START_TEST(owner_may_be_set_at_any_time_and_again)
{
    for (unsigned i = 0; i < 3; i++) {
        fake_front_say(&front, VHOST_USER_SET_OWNER, 0);
        ck_assert_uint_ne(fake_front_ask(&front, VHOST_USER_GET_FEATURES), UINT64_MAX);
    }
}
END_TEST

/* proves: VU-10, VU-32 */
START_TEST(what_is_unknown_or_not_negotiated_is_refused)
{
    static const uint32_t unknown[] = {0,  6,  7,  19, 20, 22, 23, 26, 31, 32,         33, 35,
                                       39, 40, 41, 42, 43, 44, 45, 46, 99, UINT32_MAX, 17, 36};

    negotiate(1u << 3); /* REPLY_ACK alone */
    front.flags = VHOST_USER_NEED_REPLY;
    fake_front_say(&front, unknown[_i], 0);
    ck_assert_uint_eq(fake_front_ack(&front), 1);
    ck_assert_uint_ne(fake_front_ask(&front, VHOST_USER_GET_FEATURES), UINT64_MAX);
    front.flags = 0;
    fake_front_say(&front, unknown[_i], 0);
    ck_assert(fake_front_is_left(&front));
}
END_TEST

/* -- sizes -- */

static const struct {
    uint32_t request, size, fds;
    bool good;
} sizes[] = {
    {1, 0, 0, true},    {1, 8, 0, false},   {1, 0, 1, false},   {2, 8, 0, true},
    {2, 7, 0, false},   {2, 9, 0, false},   {2, 8, 1, false},   {5, 8, 0, true},
    {5, 7, 0, false},   {5, 39, 1, false},  {5, 41, 1, false},  {5, 40, 0, false},
    {5, 40, 2, false},  {8, 8, 0, true},    {8, 4, 0, false},   {9, 40, 0, true},
    {9, 39, 0, false},  {9, 41, 0, false},  {11, 8, 0, true},   {11, 0, 0, false},
    {12, 8, 1, true},   {12, 8, 2, false},  {12, 4, 1, false},  {18, 8, 0, true},
    {18, 9, 0, false},  {21, 0, 1, true},   {21, 0, 0, false},  {21, 0, 2, false},
    {21, 8, 1, false},  {24, 11, 0, false}, {34, 0, 0, true},   {34, 1, 0, false},
    {36, 8, 0, false},  {37, 40, 0, false}, {37, 40, 2, false}, {37, 39, 1, false},
    {38, 40, 2, false}, {38, 41, 0, false},
};

/* proves: VU-03 */
START_TEST(message_of_another_size_ends_the_connection)
{
    negotiate(PROTOCOL);
    front.flags = VHOST_USER_NEED_REPLY; /* it is no message: not even that helps */
    memset(&front.msg.payload, 0, sizeof(front.msg.payload));
    if (sizes[_i].request == 5)
        front.msg.payload.table.count = sizes[_i].size / 32;
    for (unsigned i = 0; i < sizes[_i].fds; i++)
        front.msg.fd[front.msg.fd_count++] = front.kick[0];
    fake_front_say(&front, sizes[_i].request, sizes[_i].size);
    ck_assert_int_eq(fake_front_is_left(&front), !sizes[_i].good);
}
END_TEST

START_TEST(reply_that_nobody_asked_for_ends_the_connection)
{
    front.flags = VHOST_USER_REPLY;
    fake_front_say(&front, VHOST_USER_GET_FEATURES, 0);
    ck_assert(fake_front_is_left(&front));
}
END_TEST

START_TEST(front_end_that_reads_nothing_is_left)
{
    unsigned asked = 0;

    while (!fake_front_is_left(&front) && asked++ < 10000)
        fake_front_say(&front, VHOST_USER_GET_FEATURES, 0);
    while (fake_front_hears(&front)) /* what was sent until then */
        continue;
    ck_assert(fake_front_is_left(&front));
}
END_TEST

/* -- memory -- */

static void say_region(uint32_t request, uint64_t guest, uint64_t size, uint64_t offset, int fd)
{
    front.msg.payload.one_region =
        (struct vhost_user_one_region){.region = {guest, size, FRONT_USER + guest, offset}};
    if (fd >= 0)
        front.msg.fd[front.msg.fd_count++] = fd;
    fake_front_say(&front, request, 40);
}

/* proves: VU-14, VU-15 */
START_TEST(regions_come_and_go_one_by_one)
{
    negotiate(PROTOCOL);
    ck_assert_uint_eq(fake_front_ask(&front, VHOST_USER_GET_MAX_MEM_SLOTS), 64);
    front.flags = VHOST_USER_NEED_REPLY;
    say_region(VHOST_USER_ADD_MEM_REG, 0, 4096, 0, front.ram.fd);
    ck_assert_uint_eq(fake_front_ack(&front), 0);
    say_region(VHOST_USER_ADD_MEM_REG, 4096, 4096, 8192, front.ram.fd);
    ck_assert_uint_eq(fake_front_ack(&front), 0);
    say_region(VHOST_USER_ADD_MEM_REG, 4096, 4096, 0, front.ram.fd); /* there is one */
    ck_assert_uint_eq(fake_front_ack(&front), 1);
    say_region(VHOST_USER_REM_MEM_REG, 0, 8192, 0, -1); /* there is none */
    ck_assert_uint_eq(fake_front_ack(&front), 1);
    say_region(VHOST_USER_REM_MEM_REG, 0, 4096, 0, front.ram.fd); /* a descriptor that goes */
    ck_assert_uint_eq(fake_front_ack(&front), 0);
    ck_assert_ptr_null(memory_at(&front.mem, 0, 1));
    memcpy(memory_at(&front.ram, 8192, 1), "x", 1);
    ck_assert_mem_eq(memory_at(&front.mem, 4096, 1), "x", 1);
}
END_TEST

/* proves: VU-14, VU-15 */
START_TEST(table_replaces_all_and_keeps_what_is_the_same)
{
    negotiate(PROTOCOL);
    front.flags = VHOST_USER_NEED_REPLY;
    fake_front_say_table(&front);
    ck_assert_uint_eq(fake_front_ack(&front), 0);
    const void *at = memory_at(&front.mem, 0, 1);
    fake_front_say_table(&front);
    ck_assert_uint_eq(fake_front_ack(&front), 0);
    ck_assert_ptr_eq(memory_at(&front.mem, 0, 1), at);
    ck_assert_uint_eq(front.mem.region_count, 1);
    front.msg.payload.table = (struct vhost_user_table){
        .count = 2, .region = {{0, 4096, 0, 0}, {8192, 4096, 4096, 4096}}};
    front.msg.fd[0] = front.msg.fd[1] = front.ram.fd;
    front.msg.fd_count = 2;
    fake_front_say(&front, VHOST_USER_SET_MEM_TABLE, 8 + 64);
    ck_assert_uint_eq(fake_front_ack(&front), 0);
    ck_assert_uint_eq(front.mem.region_count, 2);
    ck_assert_uint_eq(front.mem.gone_count, 0); /* unmapped: no request was in it */
    ck_assert_ptr_null(memory_at(&front.mem, 4096, 1));
    front.msg.payload.table.region[1] = front.msg.payload.table.region[0]; /* twice the same */
    front.msg.payload.table.count = 2;
    front.msg.fd[0] = front.msg.fd[1] = front.ram.fd;
    front.msg.fd_count = 2;
    fake_front_say(&front, VHOST_USER_SET_MEM_TABLE, 8 + 64);
    ck_assert_uint_eq(fake_front_ack(&front), 1);
}
END_TEST

/* -- config space -- */

static void get_config(uint32_t offset, uint32_t size)
{
    front.msg.payload.config = (struct vhost_user_config){.offset = offset, .size = size};
    fake_front_say(&front, VHOST_USER_GET_CONFIG, 12 + size);
    ck_assert(fake_front_hears(&front));
    ck_assert_uint_eq(front.rx.msg.header.flags, 5);
}

static void set_config(uint32_t offset, uint32_t size, uint32_t flags)
{
    front.msg.payload.config =
        (struct vhost_user_config){.offset = offset, .size = size, .flags = flags, .bytes = "wxyz"};
    front.flags = VHOST_USER_NEED_REPLY;
    fake_front_say(&front, VHOST_USER_SET_CONFIG, 12 + size);
}

/* proves: VU-34, VU-35 */
START_TEST(config_is_as_many_bytes_as_asked_for)
{
    const struct vhost_user_config *got = &front.rx.msg.payload.config;

    negotiate(PROTOCOL);
    get_config(2, 3);
    ck_assert_uint_eq(front.rx.msg.header.size, 15);
    ck_assert_uint_eq(got->offset, 2);
    ck_assert_uint_eq(got->size, 3);
    ck_assert_mem_eq(got->bytes, "\xa2\xa3\xa4", 3);
    get_config(10, 4); /* two of them are there */
    ck_assert_mem_eq(got->bytes, "\xaa\xab\0\0", 4);
    get_config(UINT32_MAX, 1);
    ck_assert_mem_eq(got->bytes, "\0", 1);
    get_config(0, 256);
    ck_assert_uint_eq(front.rx.msg.header.size, 268);
    front.msg.payload.config = (struct vhost_user_config){.size = 257};
    fake_front_say(&front, VHOST_USER_GET_CONFIG, 12 + 257);
    ck_assert(fake_front_hears(&front));
    ck_assert_uint_eq(front.rx.msg.header.size, 12);
    ck_assert_uint_eq(got->size, 0);
    front.msg.payload.config = (struct vhost_user_config){.size = 8};
    fake_front_say(&front, VHOST_USER_GET_CONFIG, 12 + 4); /* not what it says */
    ck_assert(fake_front_hears(&front));
    ck_assert_uint_eq(got->size, 0);
}
END_TEST

/* proves: VU-37 */
START_TEST(config_is_written_where_the_device_allows_it)
{
    begin();
    set_config(1, 4, 0);
    ck_assert_uint_eq(fake_front_ack(&front), 0);
    ck_assert_mem_eq(echo->config, "\xa0wxyz", 5);
    set_config(0, 0, 0);
    ck_assert_uint_eq(fake_front_ack(&front), 1);
    set_config(0, 4, 2);
    ck_assert_uint_eq(fake_front_ack(&front), 1);
    ck_assert_uint_eq(atomic_load(&echo->config_written), 2); /* a word each */
}
END_TEST

START_TEST(config_may_be_written_whole_and_before_there_are_rings)
{
    negotiate(PROTOCOL);
    set_config(0, 256, 0);
    ck_assert_uint_eq(fake_front_ack(&front), 0);
    ck_assert_mem_eq(echo->config, "wxyz\0\0\0\0\0\0\0\0", 12);
    set_config(UINT32_MAX, 4, 0);
    ck_assert_uint_eq(fake_front_ack(&front), 0);
}
END_TEST

/* -- the back-end's channel -- */

static void open_channel(void)
{
    int ends[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    front.channel = ends[0];
    front.msg.fd[front.msg.fd_count++] = ends[1];
    fake_front_say(&front, VHOST_USER_SET_BACKEND_REQ_FD, 0);
    (void)close(ends[1]);
}

/* What is on the channel: how many news. */
static unsigned news(void)
{
    uint32_t header[3];
    unsigned count = 0;

    while (recv(front.channel, header, sizeof(header), MSG_DONTWAIT) == sizeof(header)) {
        ck_assert_uint_eq(header[0], 2); /* CONFIG_CHANGE */
        ck_assert_uint_eq(header[1], 1);
        ck_assert_uint_eq(header[2], 0);
        count++;
    }
    return count;
}

/* proves: VU-38 */
START_TEST(changes_of_config_space_are_told_while_rings_work)
{
    uint32_t base[2];

    begin();
    open_channel();
    virtio_config_set(front.dev, 0, "a", 1);
    ck_assert_uint_eq(news(), 1);
    stop(base);
    virtio_config_set(front.dev, 0, "b", 1);
    virtio_config_set(front.dev, 0, "c", 1);
    ck_assert_uint_eq(news(), 0);
    start(0);
    ck_assert_uint_eq(news(), 1);
    ck_assert_uint_eq(echo->config[0], 'c');
}
END_TEST

START_TEST(channel_without_config_is_not_used)
{
    negotiate(PROTOCOL & ~(1u << 9));
    fake_front_rings(&front, 16);
    open_channel();
    start(0);
    virtio_config_set(front.dev, 0, "a", 1);
    ck_assert_uint_eq(news(), 0);
}
END_TEST

START_TEST(channel_that_nobody_reads_or_that_closes_harms_nobody)
{
    begin();
    open_channel();
    for (unsigned i = 0; i < 10000; i++)
        virtio_config_set(front.dev, 0, "a", 1);
    ping(0);
    ck_assert_uint_gt(news(), 0);
    fd_close(&front.channel);
    virtio_config_set(front.dev, 0, "b", 1);
    virtio_config_set(front.dev, 0, "c", 1);
    ping(1);
}
END_TEST

/* -- one after the other -- */

/* proves: VU-31, VU-46 */
START_TEST(next_front_end_finds_a_new_device)
{
    begin();
    ping(0);
    fake_front_leave(&front);
    fake_front_step(&front);
    ck_assert(!vhost_user_backend_busy(&front.backend));
    ck_assert_uint_eq(atomic_load(&echo->reset), 1);
    ck_assert_uint_eq(front.mem.region_count, 0);
    fake_front_connect(&front);
    begin();
    ping(0);
    ping(1);
    ck_assert_uint_eq(atomic_load(&echo->activated), 2);
}
END_TEST

START_TEST(front_end_leaves_in_the_middle_of_a_message)
{
    const uint32_t half[] = {5, 1};

    begin();
    ck_assert_int_eq(send(front.socket, half, sizeof(half), 0), sizeof(half));
    fake_front_step(&front);
    fake_front_leave(&front);
    fake_front_step(&front);
    ck_assert(!vhost_user_backend_busy(&front.backend));
}
END_TEST

START_TEST(loop_that_can_take_no_more_is_told)
{
    struct vhost_user_backend *backend = &front.backend;
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC); /* epoll takes none of those */

    fake_front_leave(&front);
    fake_front_step(&front);
    ck_assert_int_eq(vhost_user_backend_serve(backend, file), -EPERM);
    ck_assert(!vhost_user_backend_busy(backend));
}
END_TEST

Suite *backend_suite(void)
{
    Suite *suite = suite_create("backend");
    TCase *tcase = tcase_create("requests");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, features_are_those_of_the_device_and_bit_30);
    tcase_add_loop_test(tcase, features_that_are_not_offered_are_refused, 0, 4);
    tcase_add_test(tcase, replies_come_if_negotiated_and_asked_for);
    tcase_add_test(tcase, messages_are_served_in_their_order);
    tcase_add_test(tcase, owner_may_be_set_at_any_time_and_again);
    tcase_add_loop_test(tcase, what_is_unknown_or_not_negotiated_is_refused, 0, 24);
    tcase_add_loop_test(tcase, message_of_another_size_ends_the_connection, 0, ARRAY_SIZE(sizes));
    tcase_add_test(tcase, reply_that_nobody_asked_for_ends_the_connection);
    tcase_add_test(tcase, front_end_that_reads_nothing_is_left);
    tcase_add_test(tcase, regions_come_and_go_one_by_one);
    tcase_add_test(tcase, table_replaces_all_and_keeps_what_is_the_same);
    tcase_add_test(tcase, config_is_as_many_bytes_as_asked_for);
    tcase_add_test(tcase, config_is_written_where_the_device_allows_it);
    tcase_add_test(tcase, config_may_be_written_whole_and_before_there_are_rings);
    tcase_add_test(tcase, changes_of_config_space_are_told_while_rings_work);
    tcase_add_test(tcase, channel_without_config_is_not_used);
    tcase_add_test(tcase, channel_that_nobody_reads_or_that_closes_harms_nobody);
    tcase_add_test(tcase, next_front_end_finds_a_new_device);
    tcase_add_test(tcase, front_end_leaves_in_the_middle_of_a_message);
    tcase_add_test(tcase, loop_that_can_take_no_more_is_told);
    suite_add_tcase(suite, tcase);
    return suite;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of virtio/vhost_user/wire.c: messages over a socket pair, whole and in pieces, within the
 * bounds and beyond. */
#include "virtio/vhost_user/wire.h"

#include "tests/entries.h"
#include "vmm/base/timebase.h"

#include <check.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

Suite *wire_suite(void);

static int ours, theirs; /* of a stream */
static struct vhost_user_receiver rx;
static unsigned open_before;

static void setup(void)
{
    int ends[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    ours = ends[0];
    theirs = ends[1];
    rx = (struct vhost_user_receiver){0};
    open_before = entries_count("/proc/self/fd");
}

static void teardown(void)
{
    vhost_user_receiver_fini(&rx);
    if (theirs >= 0)
        ck_assert_uint_eq(entries_count("/proc/self/fd"), open_before); /* nothing leaks */
    (void)close(ours);
    fd_close(&theirs);
}

/* Sends bytes and `count` copies of a descriptor by one call. */
static void say(const void *bytes, size_t len, unsigned count)
{
    struct iovec iov = {(void *)(uintptr_t)bytes, len};
    union {
        struct cmsghdr align;
        uint8_t bytes[CMSG_SPACE(64 * sizeof(int))];
    } control = {0};
    struct msghdr out = {.msg_iov = &iov, .msg_iovlen = 1};
    int fd = eventfd(0, 0);

    if (count > 0) {
        out.msg_control = &control;
        out.msg_controllen = CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *cmsg = CMSG_FIRSTHDR(&out);
        *cmsg = (struct cmsghdr){CMSG_LEN(count * sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
        for (unsigned i = 0; i < count; i++)
            memcpy(CMSG_DATA(cmsg) + i * sizeof(int), &fd, sizeof(int));
    }
    ck_assert_int_eq(sendmsg(theirs, &out, 0), (ssize_t)len);
    (void)close(fd);
}

static void say_header(uint32_t request, uint32_t flags, uint32_t size, unsigned fds)
{
    const uint32_t header[] = {request, flags, size};

    say(header, sizeof(header), fds);
}

/* proves: VU-01 */
START_TEST(message_goes_out_by_one_call_with_its_descriptors)
{
    struct vhost_user_message msg;
    uint8_t got[64], control[256];
    struct iovec iov = {got, sizeof(got)};
    struct msghdr in = {.msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = control,
                        .msg_controllen = sizeof(control)};
    const uint32_t header[] = {12, 1, 8};
    const uint64_t payload = 0x1122334455667788;
    int ends[2], fd;

    /* Keeps apart what was sent by different calls. */
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    vhost_user_begin(&msg, 12, 8);
    msg.payload.u64 = payload;
    msg.fd[msg.fd_count++] = ends[0];
    ck_assert_int_eq(vhost_user_send(ends[0], &msg, 0), 0);
    ck_assert_int_eq(recvmsg(ends[1], &in, MSG_DONTWAIT), 20);
    ck_assert_mem_eq(got, header, 12);
    ck_assert_mem_eq(got + 12, &payload, 8);
    ck_assert_uint_eq(CMSG_FIRSTHDR(&in)->cmsg_len, CMSG_LEN(sizeof(int)));
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&in)), sizeof(fd));
    (void)close(fd);
    (void)close(ends[0]);
    (void)close(ends[1]);
}
END_TEST

/* proves: VU-02 */
START_TEST(message_in_two_pieces_comes_in)
{
    struct {
        uint32_t header[3], state[2];
    } bytes = {{8, 1, 8}, {3, 256}};
    const size_t split = (size_t)_i;

    say(&bytes, split, 1);
    ck_assert_int_eq(vhost_user_receive(ours, &rx), 0);
    say((uint8_t *)&bytes + split, sizeof(bytes) - split, 0);
    ck_assert_int_eq(vhost_user_receive(ours, &rx), 1);
    ck_assert_uint_eq(rx.msg.header.request, 8);
    ck_assert_uint_eq(rx.msg.payload.state.index, 3);
    ck_assert_uint_eq(rx.msg.payload.state.num, 256);
    ck_assert_uint_eq(rx.msg.fd_count, 1);
}
END_TEST

START_TEST(messages_do_not_run_into_each_other)
{
    const uint32_t bytes[] = {1, 1, 0, 2, 1, 8, 0xaaaaaaaa, 0xbbbbbbbb, 3, 9, 0};

    say(bytes, sizeof(bytes), 0);
    ck_assert_int_eq(vhost_user_receive(ours, &rx), 1);
    ck_assert_uint_eq(rx.msg.header.request, 1);
    ck_assert_int_eq(vhost_user_receive(ours, &rx), 1);
    ck_assert_uint_eq(rx.msg.header.request, 2);
    ck_assert_uint_eq(rx.msg.payload.u64, 0xbbbbbbbbaaaaaaaa);
    ck_assert_int_eq(vhost_user_receive(ours, &rx), 1);
    ck_assert_uint_eq(rx.msg.header.request, 3);
    ck_assert_uint_eq(rx.msg.header.flags, 9);
    ck_assert_int_eq(vhost_user_receive(ours, &rx), 0);
}
END_TEST

/* proves: VU-03 */
START_TEST(payload_is_bounded)
{
    const uint8_t payload[4096] = {0};

    say_header(24, 1, 4096, 0);
    say(payload, sizeof(payload), 0);
    ck_assert_int_eq(vhost_user_receive(ours, &rx), 1);
    say_header(24, 1, 4097, 0);
    ck_assert_int_eq(vhost_user_receive(ours, &rx), -EPROTO);
}
END_TEST

START_TEST(other_versions_are_refused)
{
    static const uint32_t flags[] = {0, 2, 3, 4, 0xfffffffc};

    say_header(1, flags[_i], 0, 0);
    ck_assert_int_eq(vhost_user_receive(ours, &rx), -EPROTO);
}
END_TEST

/* proves: VU-03 */
START_TEST(descriptors_are_bounded_and_closed_on_exec)
{
    say_header(5, 1, 0, 32);
    ck_assert_int_eq(vhost_user_receive(ours, &rx), 1);
    ck_assert_uint_eq(rx.msg.fd_count, 32);
    for (unsigned i = 0; i < 32; i++)
        ck_assert_int_eq(fcntl(rx.msg.fd[i], F_GETFD), FD_CLOEXEC);
    say_header(5, 1, 0, 33); /* cut off by the kernel */
    ck_assert_int_eq(vhost_user_receive(ours, &rx), -EPROTO);
}
END_TEST

START_TEST(descriptors_with_the_payload_are_refused)
{
    const uint64_t payload = 0;

    say_header(12, 1, 8, 1);
    ck_assert_int_eq(vhost_user_receive(ours, &rx), 0);
    say(&payload, sizeof(payload), 1);
    ck_assert_int_eq(vhost_user_receive(ours, &rx), -EPROTO);
}
END_TEST

/* In the pieces of one header there may be more than a message may have. */
START_TEST(too_many_descriptors_in_pieces_are_refused)
{
    const uint32_t header[] = {5, 1, 0};

    say(header, 4, 20);
    ck_assert_int_eq(vhost_user_receive(ours, &rx), 0);
    say(header + 1, 8, 20);
    ck_assert_int_eq(vhost_user_receive(ours, &rx), -EPROTO);
}
END_TEST

START_TEST(descriptors_not_taken_go_with_the_next_message)
{
    say_header(21, 1, 0, 2);
    ck_assert_int_eq(vhost_user_receive(ours, &rx), 1);
    int taken = fd_take(&rx.msg.fd[0]);
    say_header(3, 1, 0, 0);
    ck_assert_int_eq(vhost_user_receive(ours, &rx), 1);
    ck_assert_uint_eq(rx.msg.fd_count, 0);
    ck_assert_int_eq(fcntl(taken, F_GETFD), FD_CLOEXEC);
    (void)close(taken);
}
END_TEST

START_TEST(end_between_messages_is_no_fault_but_inside_one)
{
    const uint32_t request = 1;

    if (_i == 1)
        say(&request, sizeof(request), 0);
    fd_close(&theirs);
    ck_assert_int_eq(vhost_user_receive(ours, &rx), _i == 0 ? -ENODATA : -ECONNRESET);
}
END_TEST

/* proves: VU-11 */
START_TEST(waiting_has_a_deadline)
{
    const uint64_t payload = 7, soon = timebase_monotonic.now_ns(&timebase_monotonic) + MS_NS;

    ck_assert_int_eq(vhost_user_receive_until(ours, &rx, 0), -ETIMEDOUT);
    say_header(1, 5, 8, 0);
    ck_assert_int_eq(vhost_user_receive_until(ours, &rx, soon), -ETIMEDOUT);
    say(&payload, sizeof(payload), 0);
    ck_assert_int_eq(vhost_user_receive_until(ours, &rx, 0), 1);
    ck_assert_uint_eq(rx.msg.payload.u64, 7);
}
END_TEST

START_TEST(sending_to_one_who_reads_nothing_has_a_deadline)
{
    struct vhost_user_message msg = {0};
    unsigned sent = 0, seen = 0;
    int r;

    vhost_user_begin(&msg, 24, 4096);
    while ((r = vhost_user_send(ours, &msg, 0)) == 0)
        sent++;
    ck_assert_int_eq(r, -ETIMEDOUT);
    ck_assert_uint_gt(sent, 0);
    while (vhost_user_receive(theirs, &rx) == 1) /* no message is cut off */
        seen++;
    ck_assert_uint_eq(seen, sent);
    ck_assert_uint_eq(rx.have, 0);
}
END_TEST

START_TEST(sending_to_one_who_has_left_fails)
{
    struct vhost_user_message msg;

    vhost_user_begin(&msg, 1, 0);
    fd_close(&theirs);
    ck_assert_int_eq(vhost_user_send(ours, &msg, 0), -EPIPE); /* and no signal */
}
END_TEST

Suite *wire_suite(void)
{
    Suite *suite = suite_create("wire");
    TCase *tcase = tcase_create("messages");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, message_goes_out_by_one_call_with_its_descriptors);
    tcase_add_loop_test(tcase, message_in_two_pieces_comes_in, 1, 20);
    tcase_add_test(tcase, messages_do_not_run_into_each_other);
    tcase_add_test(tcase, payload_is_bounded);
    tcase_add_loop_test(tcase, other_versions_are_refused, 0, 5);
    tcase_add_test(tcase, descriptors_are_bounded_and_closed_on_exec);
    tcase_add_test(tcase, descriptors_with_the_payload_are_refused);
    tcase_add_test(tcase, too_many_descriptors_in_pieces_are_refused);
    tcase_add_test(tcase, descriptors_not_taken_go_with_the_next_message);
    tcase_add_loop_test(tcase, end_between_messages_is_no_fault_but_inside_one, 0, 2);
    tcase_add_test(tcase, waiting_has_a_deadline);
    tcase_add_test(tcase, sending_to_one_who_reads_nothing_has_a_deadline);
    tcase_add_test(tcase, sending_to_one_who_has_left_fails);
    suite_add_tcase(suite, tcase);
    return suite;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* A hub between machines: a process of its own, which comes with the first and goes with the last.
 */
#include "devices/net/host.h"
#include "devices/registry.h"

#include "tests/capture.h"
#include "tests/wrap.h"

#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

static struct capture capture;
static char path[64];
static struct opts *opts;

/* True if the hub's socket stays for five seconds. */
static bool is_there(void)
{
    struct stat st;

    for (unsigned i = 0; i < 3000 && lstat(path, &st) == 0; i++)
        usleep(10000);
    return lstat(path, &st) == 0;
}

static void setup(void)
{
    capture_start(&capture);
    (void)snprintf(path, sizeof(path), "/tmp/linnet-hub-test-%d", getpid());
    ck_assert(!is_there()); /* the test before has left */
    ck_assert_int_eq(opts_create(virtio_net.opts, &opts), 0);
    ck_assert_int_eq(opts_set(opts, "--net ", "path", path), 0);
}

static void teardown(void)
{
    opts_destroy(opts);
    (void)capture_end(&capture);
}

static struct net_host *join(void)
{
    struct net_host *host = NULL;

    ck_assert_int_eq(hub_open("--net", opts, &host), 0);
    return host;
}

static void leave(struct net_host *host)
{
    host->ops->close(host);
}

static bool wait_for_ms(int fd, short events, int ms)
{
    struct pollfd wait = {.fd = fd, .events = events};

    return poll(&wait, 1, ms) == 1;
}

static bool wait_for(int fd, short events)
{
    return wait_for_ms(fd, events, 30000);
}

static int put(struct net_host *host, uint8_t number, size_t len)
{
    static uint8_t bytes[NET_FRAME_MAX];
    struct net_hdr hdr = {0};
    const struct iovec pieces[] = {{&hdr, sizeof(hdr)}, {bytes, len}};

    memset(bytes, number, len);
    return host->ops->send(host, 0, pieces, 2);
}

/* The next frame has that number in it. Its end may still be waiting in the one that sent it. */
static void get_from(struct net_host *sender, struct net_host *host, uint8_t number, size_t len)
{
    static uint8_t bytes[NET_FRAME_MAX];
    struct net_hdr hdr;
    const struct iovec pieces[] = {{&hdr, sizeof(hdr)}, {bytes, sizeof(bytes)}};
    ssize_t got;

    for (unsigned i = 0; (got = host->ops->receive(host, 0, pieces, 2)) == -EAGAIN; i++) {
        ck_assert_uint_lt(i, 5000);
        if (sender != NULL)
            (void)sender->ops->send(sender, 0, NULL, 0);
        usleep(1000);
    }
    ck_assert_int_eq(got, (ssize_t)(len + NET_HDR_BYTES));
    ck_assert_uint_eq(bytes[0], number);
    ck_assert_uint_eq(bytes[len - 1], number);
}

static void get(struct net_host *host, uint8_t number, size_t len)
{
    get_from(NULL, host, number, len);
}

/* The last that joined says something that the others hear: so the hub knows all of them. */
static void meet(struct net_host *const host[], unsigned count)
{
    ck_assert_int_eq(put(host[count - 1], 0xaa, 60), 0);
    for (unsigned i = 0; i < count - 1; i++)
        get(host[i], 0xaa, 60);
}

static bool is_quiet(struct net_host *host)
{
    static uint8_t bytes[NET_FRAME_MAX];
    const struct iovec piece = {bytes, sizeof(bytes)};

    usleep(20000);
    return host->ops->receive(host, 0, &piece, 1) == -EAGAIN;
}

START_TEST(each_gets_what_the_others_send)
{
    struct net_host *host[4];

    for (unsigned i = 0; i < 4; i++)
        host[i] = join();
    meet(host, 4);
    ck_assert_int_eq(put(host[1], 7, 60), 0);
    get(host[0], 7, 60);
    get(host[2], 7, 60);
    get(host[3], 7, 60);
    ck_assert(is_quiet(host[1]));
    leave(host[0]); /* the first one goes, the hub stays */
    ck_assert_int_eq(put(host[3], 8, NET_FRAME_MAX), 0);
    get(host[1], 8, NET_FRAME_MAX);
    get(host[2], 8, NET_FRAME_MAX);
    for (unsigned i = 1; i < 4; i++)
        leave(host[i]);
    ck_assert(!is_there());
}
END_TEST

/* The other does not read: the sender is made to wait, and nothing is lost. */
START_TEST(of_two_a_slow_one_loses_nothing)
{
    struct net_host *a = join(), *b = join();
    unsigned sent = 0;
    int r = 0;

    meet((struct net_host *[]){a, b}, 2);
    while (sent < 200 && (r = put(a, (uint8_t)sent, 15000)) >= 0) {
        sent++;
        if (r == 1 && !wait_for_ms(a->fd[0], POLLOUT, 2000))
            break; /* all is full */
    }
    ck_assert_uint_gt(sent, 10);
    for (unsigned i = 0; i < sent; i++)
        get_from(a, b, (uint8_t)i, 15000);
    ck_assert(is_quiet(b));
    leave(a);
    leave(b);
}
END_TEST

/* What hubs have taken of a processor so far, once all of them have ended. */
static long hubs_cpu_us(void)
{
    struct rusage usage;

    while (wait(NULL) > 0) {
    }
    ck_assert_int_eq(getrusage(RUSAGE_CHILDREN, &usage), 0);
    return 1000000 * (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + usage.ru_utime.tv_usec +
           usage.ru_stime.tv_usec;
}

/* The sender has gone, but what it sent has not all arrived: the hub sleeps until it can go on. */
START_TEST(of_two_the_one_that_is_left_is_waited_for_asleep)
{
    long before_us = hubs_cpu_us();
    struct net_host *a = join(), *b = join();

    meet((struct net_host *[]){a, b}, 2);
    for (int r = 0; r != 1 || wait_for_ms(a->fd[0], POLLOUT, 200);)
        ck_assert_int_ge(r = put(a, 1, 15000), 0);
    leave(a);
    usleep(1000000);
    leave(b);
    ck_assert_int_lt(hubs_cpu_us() - before_us, 100000);
}
END_TEST

/* The hub has a descriptor for the first one only: it sleeps all the same. */
START_TEST(who_can_not_be_taken_is_waited_for_asleep)
{
    long before_us = hubs_cpu_us();

    wrap_fail_after(WRAP_ACCEPT4, 1, EMFILE);
    struct net_host *a = join(), *b = join();
    (void)wrap_stop(WRAP_ACCEPT4);
    usleep(1000000);
    leave(a);
    leave(b);
    ck_assert_int_lt(hubs_cpu_us() - before_us, 100000);
}
END_TEST

START_TEST(of_three_a_slow_one_keeps_no_other_waiting)
{
    struct net_host *a = join(), *b = join(), *slow = join();

    meet((struct net_host *[]){a, b, slow}, 3);
    for (unsigned i = 0; i < 300; i++) {
        ck_assert_int_ge(put(a, (uint8_t)i, 15000), 0);
        while (a->ops->send(a, 0, NULL, 0) == 1)
            ck_assert(wait_for(a->fd[0], POLLOUT));
        get(b, (uint8_t)i, 15000);
    }
    leave(a);
    leave(b);
    leave(slow);
}
END_TEST

START_TEST(member_that_sends_nonsense_is_thrown_out)
{
    struct net_host *a = join(), *b = join(), *c = join();
    uint8_t byte;

    meet((struct net_host *[]){a, b, c}, 3);
    ck_assert_int_eq(send(a->fd[0], "\xff\xff\xff\xff", 4, 0), 4);
    ck_assert(wait_for(a->fd[0], POLLIN));
    ck_assert_int_eq(recv(a->fd[0], &byte, 1, 0), 0);
    ck_assert_int_eq(put(b, 9, 60), 0);
    get(c, 9, 60);
    leave(a);
    leave(b);
    leave(c);
}
END_TEST

START_TEST(no_more_than_there_is_place_for)
{
    struct net_host *host[17];
    uint8_t byte;

    for (unsigned i = 0; i < 17; i++)
        host[i] = join();
    ck_assert(wait_for(host[16]->fd[0], POLLIN));
    ck_assert_int_eq(recv(host[16]->fd[0], &byte, 1, 0), 0);
    for (unsigned i = 0; i < 17; i++)
        leave(host[i]);
    ck_assert(!is_there());
}
END_TEST

START_TEST(socket_of_a_dead_hub_is_replaced)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int dead = socket(AF_UNIX, SOCK_STREAM, 0);
    struct net_host *a, *b;
    struct stat st;

    memcpy(address.sun_path, path, strlen(path));
    ck_assert_int_eq(bind(dead, (const struct sockaddr *)&address, sizeof(address)), 0);
    (void)close(dead);
    a = join();
    b = join();
    meet((struct net_host *[]){a, b}, 2);
    ck_assert_int_eq(put(a, 3, 60), 0);
    get(b, 3, 60);
    ck_assert_int_eq(lstat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    leave(a);
    leave(b);
}
END_TEST

/* Whenever that is: this process becomes the parent of what is left, and waits for all of it. */
START_TEST(none_stays_when_the_first_one_is_killed)
{
    ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    for (unsigned i = 0; i < 200; i++) {
        pid_t pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
            (void)join();
            (void)pause();
        }
        usleep(i * 10);
        ck_assert_int_eq(kill(pid, SIGKILL), 0);
        while (waitpid(-1, NULL, 0) > 0) {
        }
    }
    ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
    (void)unlink(path); /* of one that came to make its socket, and no hub */
}
END_TEST

START_TEST(file_that_is_no_socket_is_left_alone)
{
    struct net_host *host = NULL;
    FILE *file = fopen(path, "w");

    ck_assert_ptr_nonnull(file);
    (void)fclose(file);
    ck_assert_int_eq(hub_open("--net", opts, &host), -EEXIST);
    ck_assert_int_eq(unlink(path), 0);
    (void)capture_end(&capture);
    ck_assert(strstr(capture.text, "is no socket of yours; give another name") != NULL);
    capture_start(&capture);
}
END_TEST

/* Whoever has it: no longer than for five seconds. */
START_TEST(lock_of_the_folder_is_waited_for_with_an_end)
{
    struct net_host *host = NULL;
    char place[80], elsewhere[96];

    (void)snprintf(place, sizeof(place), "%s.folder", path);
    (void)snprintf(elsewhere, sizeof(elsewhere), "%s/s", place);
    ck_assert_int_eq(mkdir(place, 0700), 0);
    int fd = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_eq(flock(fd, LOCK_EX), 0);
    ck_assert_int_eq(opts_set(opts, "--net ", "path", elsewhere), 0);
    ck_assert_int_eq(hub_open("--net", opts, &host), -ETIMEDOUT);
    ck_assert_int_eq(close(fd), 0);
    leave(join());
    (void)hubs_cpu_us(); /* all have ended */
    ck_assert_int_eq(rmdir(place), 0);
}
END_TEST

Suite *hub_suite(void);
Suite *hub_suite(void)
{
    Suite *suite = suite_create("hub");
    TCase *tcase = tcase_create("members");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, each_gets_what_the_others_send);
    tcase_add_test(tcase, of_two_a_slow_one_loses_nothing);
    tcase_add_test(tcase, of_two_the_one_that_is_left_is_waited_for_asleep);
    tcase_add_test(tcase, who_can_not_be_taken_is_waited_for_asleep);
    tcase_add_test(tcase, of_three_a_slow_one_keeps_no_other_waiting);
    tcase_add_test(tcase, member_that_sends_nonsense_is_thrown_out);
    tcase_add_test(tcase, no_more_than_there_is_place_for);
    tcase_add_test(tcase, socket_of_a_dead_hub_is_replaced);
    tcase_add_test(tcase, none_stays_when_the_first_one_is_killed);
    tcase_add_test(tcase, lock_of_the_folder_is_waited_for_with_an_end);
    tcase_add_test(tcase, file_that_is_no_socket_is_left_alone);
    suite_add_tcase(suite, tcase);
    return suite;
}

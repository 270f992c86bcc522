/* SPDX-License-Identifier: BSD-3-Clause */
/* What --net user and tap refuse, what is told, and the addresses of cards. */
#include "devices/net/mac.h"
#include "devices/net/net.h"
#include "devices/registry.h"

#include "tests/capture.h"
#include "tests/fake_driver.h"
#include "tests/fake_tap.h"

#include <arpa/inet.h>
#include <check.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

static struct capture capture;
static struct fake_tap tap;
static char folder[] = "/tmp/linnet-user-XXXXXX";

/* A folder that is all of PATH, with a `passt` of the test's in it. */
static void setup(void)
{
    capture_start(&capture);
    tap = (struct fake_tap){0};
    fake_tap_start(&tap);
    memcpy(strrchr(folder, '-') + 1, "XXXXXX", 6);
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(setenv("PATH", folder, 1), 0);
}

static void teardown(void)
{
    char name[64];

    fake_tap_stop();
    (void)capture_end(&capture);
    (void)snprintf(name, sizeof(name), "%s/passt", folder);
    (void)unlink(name);
    (void)snprintf(name, sizeof(name), "%s/args", folder);
    (void)unlink(name);
    (void)rmdir(folder);
}

static void passt_is(const char *script)
{
    char name[64];

    (void)snprintf(name, sizeof(name), "%s/passt", folder);
    FILE *file = fopen(name, "w");
    ck_assert_ptr_nonnull(file);
    (void)fprintf(file, "#!/bin/sh\nPATH=/usr/bin:/bin\n%s\n", script);
    (void)fchmod(fileno(file), 0755);
    (void)fclose(file);
}

/* Opens what --net says: its result; what was said is in capture.text. */
static int net_open(const char *text, struct net_host **ret_host)
{
    struct opts *opts;
    int r;

    ck_assert_int_eq(opts_create(virtio_net.opts, &opts), 0);
    r = opts_parse(opts, "--net ", text);
    if (r == 0)
        r = opts_choice(opts, "host") == 0   ? user_open("--net", opts, ret_host)
            : opts_choice(opts, "host") == 1 ? tap_open("--net", opts, ret_host)
                                             : hub_open("--net", opts, ret_host);
    opts_destroy(opts);
    (void)capture_end(&capture);
    capture_start(&capture);
    return r;
}

static const struct {
    const char *text;
    int result;
    const char *said;
} refused[] = {
    {"host=user,forward=22", -EINVAL, "--net forward: \"22\" will not do; give tcp:ADDRESS:PORT-"},
    {"host=user,forward=sctp:127.0.0.1:1-2", -EINVAL, "--net forward: "},
    {"host=user,forward=tcp:127.0.0.1:1", -EINVAL, "--net forward: "},
    {"host=user,forward=tcp:127.0.0.1:1-0", -EINVAL, "--net forward: "},
    {"host=user,forward=tcp:127.0.0.1:65536-1", -EINVAL, "--net forward: "},
    {"host=user,forward=tcp:127.0.0.1:1-65536", -EINVAL, "--net forward: "},
    {"host=user,forward=tcp:127.0.0.1:-1-1", -EINVAL, "--net forward: "},
    {"host=user,forward=tcp::0-1", -EINVAL, "--net forward: "},
    {"host=user,forward=tcp:0-1", -EINVAL, "--net forward: "},
    {"host=user,forward=tcp:", -EINVAL, "--net forward: "},
    {"host=user,forward=", -EINVAL, "--net forward: "},
    {"host=user,forward=tcp:localhost:0-1", -EINVAL, "\"localhost\" is not an address of IP"},
    {"host=user,forward=tcp:[::1]:0-22+", -EINVAL, "--net forward: "},
    {"host=user", -ENOENT, "--net user: passt is missing; install it (sudo apt install passt)"},
    {"host=tap", -EINVAL, "--net: tap wants either the name of an interface"},
    {"host=tap,name=a,fd=9", -EINVAL, "--net: tap wants either the name of an interface"},
    {"host=tap,name=a234567890123456", -EINVAL, "give a name of at most 15 letters"},
    {"host=tap,fd=999", -EINVAL, "--net: fd 999: not a tap interface"},
    {"host=tap,fd=999,queues=2", -EINVAL, "a descriptor is one queue"},
    {"host=socket", -EINVAL, "--net: socket wants either path=SOCKET"},
    {"host=socket,fd=999", -EINVAL, "--net: fd 999: not a stream socket"},
    {"host=socket,path=/nonexistent/a", -ENOENT, "--net path: the folder of /nonexistent/a"},
};

START_TEST(what_makes_no_sense_is_refused_in_one_line)
{
    struct net_host *host = NULL;

    ck_assert_int_eq(net_open(refused[_i].text, &host), refused[_i].result);
    ck_assert_msg(strstr(capture.text, refused[_i].said) != NULL, "%s", capture.text);
    ck_assert_ptr_eq(strchr(capture.text, '\n'), strrchr(capture.text, '\n'));
    ck_assert_ptr_null(host);
}
END_TEST

static const struct {
    int error, result;
    const char *said;
} taps[] = {
    {EPERM, -EPERM, "sudo ip tuntap add tap0 mode tap vnet_hdr user $USER && sudo ip link set"},
    {EINVAL, -ENODEV, "there is one of another kind"},
    {EBUSY, -EBUSY, "another program has it"},
    {ENOMEM, -ENOMEM, "--net: tap tap0: Cannot allocate memory"},
};

START_TEST(tap_that_is_refused_says_what_to_type)
{
    struct net_host *host = NULL;

    tap.error = taps[_i].error;
    ck_assert_int_eq(net_open("host=tap,name=tap0", &host), taps[_i].result);
    ck_assert_msg(strstr(capture.text, taps[_i].said) != NULL, "%s", capture.text);
}
END_TEST

START_TEST(port_in_use_is_told)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t len = sizeof(address);
    struct net_host *host = NULL;
    char text[64], said[64];

    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, len), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    (void)snprintf(text, sizeof(text), "host=user,forward=tcp:127.0.0.1:%u-22",
                   ntohs(address.sin_port));
    (void)snprintf(said, sizeof(said), "127.0.0.1 port %u: give another one",
                   ntohs(address.sin_port));
    ck_assert_int_eq(net_open(text, &host), -EADDRINUSE);
    ck_assert_msg(strstr(capture.text, said) != NULL, "%s", capture.text);
    (void)close(fd);
}
END_TEST

START_TEST(passt_that_fails_is_quoted)
{
    struct net_host *host = NULL;

    passt_is("for i in $(seq 100); do echo a line of some forty characters and more >&2; done; "
             "echo 'No routable interface' >&2; exit 1");
    ck_assert_int_eq(net_open("host=user", &host), -EIO);
    ck_assert_msg(strstr(capture.text, "--net user: passt: \"No routable interface\"") != NULL,
                  "%s", capture.text);
}
END_TEST

/* It goes to the background as passt does, says what it was started with, sends a frame, and ends
 * with the socket. */
START_TEST(passt_gets_a_socket_and_its_options)
{
    static uint8_t bytes[NET_FRAME_MAX];
    struct net_hdr hdr;
    const struct iovec pieces[] = {{&hdr, sizeof(hdr)}, {bytes, sizeof(bytes)}};
    struct net_host *host = NULL;
    char script[256], port[8] = "", args[256] = "", want[256];
    ssize_t len;

    (void)snprintf(script, sizeof(script),
                   "echo \"$@\" >%s/args; printf '\\0\\0\\0\\020passt-says-hello' >&3; exec sleep "
                   "0.1 2>/dev/null &",
                   folder);
    passt_is(script);
    ck_assert_int_eq(
        net_open("host=user,mtu=9000,forward=tcp:127.0.0.1:0-22+tcp:[::1]:0-80", &host), 0);
    while ((len = host->ops->receive(host, 0, pieces, 2)) == -EAGAIN)
        usleep(1000);
    ck_assert_int_eq(len, 12 + 16);
    ck_assert_mem_eq(bytes, "passt-says-hello", 16);
    ck_assert_int_eq(sscanf(host->about, "user, tcp 127.0.0.1 port %7[0-9] to 22, tcp ::1 ", port),
                     1);
    (void)snprintf(script, sizeof(script), "%s/args", folder);
    FILE *file = fopen(script, "r");
    ck_assert_ptr_nonnull(file);
    ck_assert_ptr_nonnull(fgets(args, sizeof(args), file));
    (void)fclose(file);
    (void)snprintf(want, sizeof(want), "--quiet --fd 3 --mtu 9000 -t 127.0.0.1/%s:22 -t ::1/",
                   port);
    ck_assert_msg(strncmp(args, want, strlen(want)) == 0, "%s", args);
    ck_assert_msg(strstr(args, ":80 -u none\n") != NULL, "%s", args);
    while ((len = host->ops->receive(host, 0, pieces, 2)) == -EAGAIN)
        usleep(1000);
    ck_assert_int_eq(len, -EPIPE); /* it has ended */
    host->ops->close(host);
}
END_TEST

START_TEST(ports_are_results)
{
    struct results results = {0};
    struct virtio_device *dev;

    passt_is("exec sleep 0.1 2>/dev/null &");
    ck_assert_int_eq(fake_make(&virtio_net, NULL,
                               "host=user,forward=tcp:127.0.0.1:0-22+udp:127.0.0.1:0-53", &dev),
                     0);
    dev->class->results(dev, &results);
    ck_assert_uint_eq(results.count, 2);
    ck_assert_str_eq(results.at[0].what, "tcp:22");
    ck_assert_uint_ge(results.at[0].port, 1024);
    ck_assert_str_eq(results.at[1].what, "udp:53");
    ck_assert_uint_eq(results.at[1].port, net_of(dev)->host->forwards.item[1].from);
    results_fini(&results);
    virtio_destroy(dev);
}
END_TEST

/* -- addresses -- */

static const struct {
    const char *text;
    int result;
} macs[] = {
    {"52:54:00:12:34:56", 0},       {"02:00:00:00:00:FF", 0},        {"53:54:00:12:34:56", -EINVAL},
    {"52:54:00:12:34", -EINVAL},    {"52:54:00:12:34:567", -EINVAL}, {"52:54:00:12:34:5g", -EINVAL},
    {"52-54-00-12-34-56", -EINVAL}, {"5:54:00:12:34:56:", -EINVAL},  {"", -EINVAL},
    {"+2:54:00:12:34:56", -EINVAL},
};

START_TEST(address_is_six_pairs_of_one_card)
{
    uint8_t mac[6];

    ck_assert_int_eq(net_mac_parse(macs[_i].text, mac), macs[_i].result);
}
END_TEST

static const struct config_device_kind *kinds(void)
{
    static struct config_device_kind all[] = {{"net", "a card", NULL, 4}, {0}};

    all[0].opts = virtio_net.opts;
    return all;
}

/* The second card's address in a machine of that command line. */
static void second(const char *name, char ret_mac[18])
{
    char option[32];
    char *argv[] = {option, (char[]){"--net"}, (char[]){"--net=user"}, (char[]){"k"}, NULL};
    struct config *config;
    uint8_t mac[6];

    (void)snprintf(option, sizeof(option), "--name=%s", name);
    ck_assert_int_eq(config_create(kinds(), &config), 0);
    ck_assert_int_eq(config_parse_args(config, argv), 0);
    ck_assert_int_eq(net_macs_set(config), 0);
    const char *text = opts_str(config_device(config, "net", 1), "mac");
    ck_assert_int_eq(net_mac_parse(text, mac), 0);
    ck_assert_uint_eq(mac[0], 2); /* locally administered */
    ck_assert_str_ne(text, opts_str(config_device(config, "net", 0), "mac"));
    (void)snprintf(ret_mac, 18, "%s", text);
    config_destroy(config);
}

START_TEST(address_follows_from_the_machines_name)
{
    char one[18], again[18], other[18];

    second("one", one);
    second("one", again);
    second("other", other);
    ck_assert_str_eq(one, again);
    ck_assert_str_ne(one, other);
}
END_TEST

Suite *user_suite(void);
Suite *user_suite(void)
{
    Suite *suite = suite_create("user");
    TCase *tcase = tcase_create("options");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, what_makes_no_sense_is_refused_in_one_line, 0, ARRAY_SIZE(refused));
    tcase_add_loop_test(tcase, tap_that_is_refused_says_what_to_type, 0, ARRAY_SIZE(taps));
    tcase_add_test(tcase, port_in_use_is_told);
    tcase_add_test(tcase, passt_that_fails_is_quoted);
    tcase_add_test(tcase, passt_gets_a_socket_and_its_options);
    tcase_add_test(tcase, ports_are_results);
    tcase_add_loop_test(tcase, address_is_six_pairs_of_one_card, 0, ARRAY_SIZE(macs));
    tcase_add_test(tcase, address_follows_from_the_machines_name);
    suite_add_tcase(suite, tcase);
    return suite;
}

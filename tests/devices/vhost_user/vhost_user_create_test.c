/* SPDX-License-Identifier: BSD-3-Clause */
/* How a device that another process serves comes to be: finding the back-end, and the first words
 * with it. */
#include "devices/registry.h"
#include "devices/vhost_user/vhost_user.h"

#include "tests/capture.h"
#include "tests/devices/vhost_user/fake_backend.h"
#include "tests/entries.h"
#include "tests/fake_driver.h"

#include <check.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define CORE (1ull << 28 | 1ull << 29 | 1ull << 32)

static struct memory mem;
static struct virtio_device *dev;
static struct fake_driver drv;
static struct fake_backend backend;
static struct capture capture;
static unsigned open_before;
static char folder[32], path[64];

static void setup(void)
{
    strcpy(folder, "/tmp/linnet-vu-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/s", folder);
    fake_memory(&mem, 0x100000);
    fake_backend_init(&backend);
    dev = NULL;
    open_before = entries_count("/proc/self/fd");
}

static void teardown(void)
{
    ck_assert_uint_eq(entries_count("/proc/self/fd"), open_before); /* nothing leaks */
    memory_destroy(&mem);
    (void)unlink(path);
    ck_assert_int_eq(rmdir(folder), 0);
}

/* Makes a device with these keys: 0 or -errno; what was said is in capture.text. */
static int make(const char *keys)
{
    struct opts *opts;

    ck_assert_int_eq(opts_create(virtio_vhost_user.opts, &opts), 0);
    ck_assert_int_eq(opts_parse(opts, "--vhost-user ", keys), 0);
    capture_start(&capture);
    int r = fake_create(&virtio_vhost_user, 0, &mem, opts, &dev);
    (void)capture_end(&capture);
    opts_destroy(opts);
    return r;
}

static int make_with_backend(const char *keys)
{
    char text[256];
    int fd = fake_backend_start(&backend);

    ck_assert_int_eq(fcntl(fd, F_SETFD, 0), 0); /* as a shell hands it over */
    (void)snprintf(text, sizeof(text), "%s,fd=%d", keys, fd);
    return make(text);
}

static void end(void)
{
    virtio_destroy(dev);
    fake_driver_fini(&drv);
    ck_assert(fake_backend_left(&backend));
    fake_backend_stop(&backend);
}

static void refused_with_backend(const char *keys, const char *words)
{
    int r = make_with_backend(keys);

    fake_backend_stop(&backend);
    ck_assert_int_eq(r, -EINVAL);
    ck_assert_one_error(capture.text, words);
}

/* -- who is there -- */

/* proves: VU-09, VU-34 */
START_TEST(hello_is_said_in_its_order_and_the_device_is_what_the_back_end_says)
{
    uint8_t config[16];

    ck_assert_int_eq(make_with_backend("kind=snd"), 0);
    ck_assert_str_eq(capture.text, "");
    ck_assert_int_eq(fcntl(vu_of(dev)->link.fd, F_GETFD), FD_CLOEXEC); /* passt does not get it */
    ck_assert(fake_backend_hears(&backend, " 3 1 15 16 17 21 24"));
    ck_assert_uint_eq(backend.protocol_set, FAKE_ALL);
    fake_driver_init(&drv, dev, 0x10000);
    ck_assert_uint_eq(fake_read(&drv, FAKE_DEVICE_ID), 25);
    ck_assert_uint_eq(fake_features(&drv), CORE);
    fake_read_bytes(&drv, FAKE_CONFIG, config, 4);
    ck_assert_mem_eq(config, "\x40\x41\x42\x43", 4);
    fake_read_bytes(&drv, FAKE_CONFIG + 12, config, 4);
    ck_assert_mem_eq(config, "\x4c\x4d\x4e\x4f", 4);
    ck_assert_uint_eq(fake_read(&drv, FAKE_CONFIG + 16), 0);
    for (uint32_t queue = 0; queue < 5; queue++) {
        fake_write(&drv, FAKE_QUEUE_SEL, queue);
        ck_assert_uint_eq(fake_read(&drv, FAKE_QUEUE_SIZE_MAX), queue < 4 ? 64 : 0);
    }
    end();
}
END_TEST

/* As vhost-device-sound does, by what it documents. */
/* proves: VU-48 */
START_TEST(back_end_that_knows_config_and_queues_only_will_do)
{
    backend.protocol = FAKE_MQ | FAKE_HAS_CONFIG;
    ck_assert_int_eq(make_with_backend("kind=25"), 0);
    ck_assert(fake_backend_hears(&backend, " 3 1 15 16 17 24"));
    ck_assert_uint_eq(backend.protocol_set, FAKE_MQ | FAKE_HAS_CONFIG);
    ck_assert_uint_eq(dev->id, 25);
    end();
}
END_TEST

/* proves: VU-04, VU-05 */
START_TEST(features_that_would_change_what_we_do_are_not_passed_on)
{
    backend.features = UINT64_MAX;
    backend.protocol = UINT64_MAX;
    ck_assert_int_eq(make_with_backend("kind=snd"), 0);
    ck_assert(fake_backend_hears(&backend, " 24"));
    /* 0 to 23, 28, 29, 32, 34 (RING_PACKED), 35 (IN_ORDER), 50 to 63. */
    ck_assert_uint_eq(dev->features, 0xfffc000d30ffffff);
    ck_assert_uint_eq(backend.protocol_set, FAKE_ALL);
    end();
}
END_TEST

/* proves: VU-35, VU-36 */
START_TEST(config_space_is_asked_for_in_pieces_where_all_is_too_much)
{
    backend.config_at_once = 4;
    ck_assert_int_eq(make_with_backend("kind=snd"), 0);
    ck_assert(fake_backend_hears(&backend, " 21 24 24 24 24 24"));
    ck_assert_mem_eq(dev->config, backend.config, 16);
    end();
}
END_TEST

START_TEST(config_space_of_an_unknown_type_ends_where_the_back_end_says)
{
    backend.config_size = 12;
    ck_assert_int_eq(make_with_backend("kind=41"), 0);
    ck_assert_uint_eq(dev->id, 41);
    ck_assert_uint_eq(dev->config_size, 12);
    ck_assert_mem_eq(dev->config, backend.config, 12);
    end();
}
END_TEST

START_TEST(queues_are_as_many_as_it_says_within_what_the_type_has)
{
    static const struct {
        const char *keys;
        uint64_t told;
        uint16_t want;
    } rows[] = {
        {"kind=disk", 1, 1}, {"kind=disk", 3, 3}, {"kind=disk", 65536, 64},
        {"kind=snd", 8, 4},  {"kind=rng", 7, 1},  {"kind=41", 2, 2},
    };

    backend.queues = rows[_i].told;
    backend.config_size = 60;
    ck_assert_int_eq(make_with_backend(rows[_i].keys), 0);
    ck_assert_uint_eq(dev->queue_count, rows[_i].want);
    end();
}
END_TEST

START_TEST(queues_are_the_types_own_where_it_does_not_say)
{
    static const struct {
        const char *keys;
        uint16_t want;
    } rows[] = {{"kind=snd", 4},
                {"kind=vsock", 3},
                {"kind=disk", 1},
                {"kind=disk,queues=4", 4},
                {"kind=41,queues=2", 2}};

    backend.protocol = FAKE_HAS_CONFIG;
    backend.config_size = 60;
    ck_assert_int_eq(make_with_backend(rows[_i].keys), 0);
    ck_assert_uint_eq(dev->queue_count, rows[_i].want);
    end();
}
END_TEST

START_TEST(share_has_the_tag_it_is_given)
{
    uint8_t want[40] = "the tag";

    want[36] = 2; /* request queues */
    backend.queues = 3;
    if (_i == 1)
        backend.protocol &= ~(uint64_t)FAKE_HAS_CONFIG;
    ck_assert_int_eq(make_with_backend("kind=share,tag=the tag"), 0);
    ck_assert_uint_eq(dev->config_size, 40);
    ck_assert_mem_eq(dev->config, want, 40);
    ck_assert_uint_eq(backend.protocol_set, FAKE_MQ | FAKE_ACK | FAKE_RESET_DEVICE);
    end();
}
END_TEST

START_TEST(network_card_without_config_space_has_no_address)
{
    backend.protocol = FAKE_MQ;
    backend.features |= 1u << 0 | 1u << 5 | 1u << 15 | 1u << 16;
    ck_assert_int_eq(make_with_backend("kind=net"), 0);
    ck_assert_uint_eq(dev->features, CORE | 1u << 0 | 1u << 15);
    ck_assert_uint_eq(dev->config_size, 0);
    end();
}
END_TEST

/* -- lies -- */

static const struct {
    uint32_t at;
    enum fake_lie lie;
    const char *words;
} lies[] = {
    {1, LIE_CLOSE, "GET_FEATURES: it closed the connection"},
    {1, LIE_SILENT, "GET_FEATURES: no answer in time"},
    {1, LIE_OTHER_REQUEST, "GET_FEATURES: that is not vhost-user"},
    {1, LIE_NO_REPLY, "GET_FEATURES: that is not vhost-user"},
    {1, LIE_VERSION, "GET_FEATURES: that is not vhost-user, version 1"},
    {1, LIE_SHORT, "GET_FEATURES: that is not vhost-user"},
    {1, LIE_LONG, "GET_FEATURES: that is not vhost-user"},
    {1, LIE_HUGE, "GET_FEATURES: that is not vhost-user"},
    {1, LIE_DESCRIPTOR, "GET_FEATURES: that is not vhost-user"},
    {1, LIE_TWICE, "GET_PROTOCOL_FEATURES: that is not vhost-user"},
    {15, LIE_CLOSE, "GET_PROTOCOL_FEATURES: it closed the connection"},
    {15, LIE_SILENT, "GET_PROTOCOL_FEATURES: no answer in time"},
    {15, LIE_LONG, "GET_PROTOCOL_FEATURES: that is not vhost-user"},
    {17, LIE_CLOSE, "GET_QUEUE_NUM: it closed the connection"},
    {17, LIE_SHORT, "GET_QUEUE_NUM: that is not vhost-user"},
    {17, LIE_CONTENT, "GET_QUEUE_NUM: that is not vhost-user"},
    {21, LIE_REFUSE, "SET_BACKEND_REQ_FD: it refused"},
    {21, LIE_SILENT, "SET_BACKEND_REQ_FD: no answer in time"},
    {21, LIE_LONG, "SET_BACKEND_REQ_FD: that is not vhost-user"},
    {24, LIE_CLOSE, "GET_CONFIG: it closed the connection"},
    {24, LIE_SILENT, "GET_CONFIG: no answer in time"},
    {24, LIE_SHORT, "GET_CONFIG: that is not vhost-user"},
    {24, LIE_LONG, "GET_CONFIG: that is not vhost-user"},
    {24, LIE_CONTENT, "GET_CONFIG: that is not vhost-user"},
};

/* proves: VU-03, VU-11 */
START_TEST(back_end_that_does_not_play_along_is_refused_in_one_line)
{
    fake_backend_lie(&backend, lies[_i].at, lies[_i].lie);
    refused_with_backend(lies[_i].lie == LIE_SILENT ? "kind=snd,timeout=200ms" : "kind=snd",
                         lies[_i].words);
}
END_TEST

START_TEST(back_end_that_lacks_what_is_needed_is_refused)
{
    static const struct {
        uint64_t features, protocol, queues;
        uint32_t config_size;
        const char *keys, *words;
    } rows[] = {
        {1u << 30, FAKE_ALL, 4, 16, "kind=snd", "it lacks VERSION_1"},
        {1ull << 32, FAKE_ALL, 4, 16, "kind=snd", "it lacks VERSION_1"},
        {CORE | 1u << 30, FAKE_ALL, 3, 16, "kind=snd", "too few queues"},
        {CORE | 1u << 30, FAKE_MQ, 4, 16, "kind=snd", "no config space"},
        {CORE | 1u << 30, FAKE_ALL, 4, 0, "kind=snd", "GET_CONFIG: it refused"},
        {CORE | 1u << 30, 0, 4, 16, "kind=41", "add queues=N"},
        {CORE | 1u << 30, FAKE_MQ, 2, 16, "kind=share", "add tag=NAME"},
    };

    backend.features = rows[_i].features;
    backend.protocol = rows[_i].protocol;
    backend.queues = rows[_i].queues;
    backend.config_size = rows[_i].config_size;
    refused_with_backend(rows[_i].keys, rows[_i].words);
}
END_TEST

/* -- the socket -- */

static void refused(const char *keys, const char *words)
{
    ck_assert_int_eq(make(keys), -EINVAL);
    ck_assert_one_error(capture.text, words);
}

static void refused_at_path(const char *keys, const char *words)
{
    char text[128];

    (void)snprintf(text, sizeof(text), "%s,socket=%s", keys, path);
    refused(text, words);
}

START_TEST(socket_that_is_absent_is_refused)
{
    refused_at_path("kind=snd,timeout=30ms", "nobody listens there; start the back-end");
}
END_TEST

START_TEST(file_and_folder_are_no_sockets)
{
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

    (void)close(fd);
    refused_at_path("kind=snd", "s: no socket; give the path");
    refused("kind=snd,socket=/tmp", "/tmp: no socket; give the path");
}
END_TEST

START_TEST(socket_for_datagrams_is_refused)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    refused_at_path("kind=snd", "no socket for streams");
    (void)close(fd);
}
END_TEST

START_TEST(socket_that_nobody_listens_at_is_refused)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    refused_at_path("kind=snd,timeout=30ms", "nobody listens there");
    (void)close(fd);
}
END_TEST

START_TEST(words_that_make_no_sense_are_refused)
{
    char longest[128];

    (void)memset(longest, 'a', sizeof(longest));
    longest[108] = '\0';
    char text[160];
    (void)snprintf(text, sizeof(text), "kind=snd,socket=%s", longest);
    refused(text, "too long; give a name of at most 107 bytes");
    refused("kind=snd", "give socket=PATH");
    refused("kind=sound,socket=x", "kind: no such device: \"sound\"; give net, disk, ");
    refused("kind=0,socket=x", "kind: no such device: \"0\"");
    refused("kind=64,socket=x", "kind: no such device: \"64\"");
}
END_TEST

/* proves: VU-11 */
START_TEST(back_end_that_comes_up_late_is_waited_for)
{
    char text[128];

    backend.path = path;
    backend.late_ms = 60;
    ck_assert_int_eq(fake_backend_start(&backend), -1);
    (void)snprintf(text, sizeof(text), "kind=snd,socket=%s", path);
    ck_assert_int_eq(make(text), 0);
    ck_assert(fake_backend_hears(&backend, " 24"));
    end();
}
END_TEST

/* -- its slot -- */

START_TEST(slot_is_the_next_of_its_own_class_or_the_last_that_is_free)
{
    ck_assert_int_eq(virtio_slot_free(2, 0), 5);
    ck_assert_int_eq(virtio_slot_free(2, 1u << 5 | 1u << 7), 6);
    ck_assert_int_eq(virtio_slot_free(25, 1u << 1), 2);
    ck_assert_int_eq(virtio_slot_free(4, 1u << 0), -ENOSPC); /* there may be one */
    ck_assert_int_eq(virtio_slot_free(41, 0), 31);
    ck_assert_int_eq(virtio_slot_free(41, 3u << 30), 29);
    ck_assert_int_eq(virtio_slot_free(41, UINT32_MAX), -ENOSPC);
    ck_assert_int_eq(virtio_slot_free(2, 0x1fe0), -ENOSPC);
}
END_TEST

START_TEST(kind_has_the_name_of_our_own_class)
{
    static const char *const names[] = {"net",   "disk",  "console", "rng",
                                        "input", "vsock", "snd",     "share"};
    char keys[32];

    for (size_t i = 0; virtio_slots[i].class != NULL; i++) {
        const struct virtio_class *class = virtio_slots[i].class;
        if (strcmp(class->name, names[_i]) != 0)
            continue;
        backend.config_size = VHOST_USER_CONFIG_MAX;
        (void)snprintf(keys, sizeof(keys), "kind=%s,tag=t", class->name);
        if (strcmp(class->name, "share") != 0)
            (void)snprintf(keys, sizeof(keys), "kind=%s", class->name);
        ck_assert_int_eq(make_with_backend(keys), 0);
        ck_assert_uint_eq(dev->id, class->id);
        ck_assert_uint_le(dev->limits.size, class->limits.size); /* else it refuses, too late */
        end();
        return;
    }
    ck_abort_msg("no class %s", names[_i]);
}
END_TEST

Suite *vhost_user_create_suite(void);
Suite *vhost_user_create_suite(void)
{
    Suite *suite = suite_create("vhost_user_create");
    TCase *tcase = tcase_create("first words");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, hello_is_said_in_its_order_and_the_device_is_what_the_back_end_says);
    tcase_add_test(tcase, back_end_that_knows_config_and_queues_only_will_do);
    tcase_add_test(tcase, features_that_would_change_what_we_do_are_not_passed_on);
    tcase_add_test(tcase, config_space_is_asked_for_in_pieces_where_all_is_too_much);
    tcase_add_test(tcase, config_space_of_an_unknown_type_ends_where_the_back_end_says);
    tcase_add_loop_test(tcase, queues_are_as_many_as_it_says_within_what_the_type_has, 0, 6);
    tcase_add_loop_test(tcase, queues_are_the_types_own_where_it_does_not_say, 0, 5);
    tcase_add_loop_test(tcase, share_has_the_tag_it_is_given, 0, 2);
    tcase_add_test(tcase, network_card_without_config_space_has_no_address);
    tcase_add_loop_test(tcase, back_end_that_does_not_play_along_is_refused_in_one_line, 0,
                        ARRAY_SIZE(lies));
    tcase_add_loop_test(tcase, back_end_that_lacks_what_is_needed_is_refused, 0, 7);
    tcase_add_test(tcase, socket_that_is_absent_is_refused);
    tcase_add_test(tcase, file_and_folder_are_no_sockets);
    tcase_add_test(tcase, socket_for_datagrams_is_refused);
    tcase_add_test(tcase, socket_that_nobody_listens_at_is_refused);
    tcase_add_test(tcase, words_that_make_no_sense_are_refused);
    tcase_add_test(tcase, back_end_that_comes_up_late_is_waited_for);
    tcase_add_test(tcase, slot_is_the_next_of_its_own_class_or_the_last_that_is_free);
    tcase_add_loop_test(tcase, kind_has_the_name_of_our_own_class, 0, 8);
    suite_add_tcase(suite, tcase);
    return suite;
}

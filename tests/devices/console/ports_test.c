/* SPDX-License-Identifier: BSD-3-Clause */
/* The console device and its ports behind their registers (virtio 1.2 §5.3). */
#include "devices/registry.h"
#include "vmm/base/unix_listener.h"

#include "tests/capture.h"
#include "tests/fake_driver.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define RINGS     0x10000
#define DATA      0x100000 /* what is sent */
#define CONTROL   0x140000 /* buffers for control messages, 64 bytes each */
#define SAID      0x150000 /* a control message of the driver's */
#define BULK      0x1c0000 /* of 128 KiB */
#define INPUT     0x160000 /* buffers for input */
#define TABLE     0x180000 /* of descriptors */
#define MULTIPORT 2u
#define PORTS_MAX 32

enum { READY, ADD, REMOVE, PORT_READY, CONSOLE, RESIZE, OPEN, NAME };

static struct memory mem;
static struct virtio_device *dev;
static struct fake_driver drv;
static struct capture capture;
static char folder[] = "/tmp/linnet-console-XXXXXX";
static int host[2]; /* ours, the device's */

static void setup(void)
{
    capture_start(&capture);
    ck_assert_int_eq(
        memory_create(&mem, 0x200000, &(struct memory_layout){0, 0, 0}, MEMORY_PAGES_AUTO), 0);
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, host), 0);
    ck_assert_int_eq(fcntl(host[1], F_SETFL, O_NONBLOCK), 0);
    dev = NULL;
}

static void teardown(void)
{
    char command[64];

    virtio_destroy(dev);
    if (dev != NULL)
        fake_driver_fini(&drv);
    fd_close(&host[0]);
    memory_destroy(&mem);
    (void)snprintf(command, sizeof(command), "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
    (void)capture_end(&capture);
}

/* What virtio_create() says to those options. */
static int try(const char *const options[], unsigned count)
{
    struct opts *opts[PORTS_MAX] = {NULL};

    for (unsigned i = 0; i < count; i++) {
        ck_assert_int_eq(opts_create(virtio_console.opts, &opts[i]), 0);
        ck_assert_int_eq(opts_parse(opts[i], "--console ", options[i]), 0);
    }
    int r = virtio_create(&virtio_console, 0, &mem, (const struct opts *const *)opts, count, &dev);
    for (unsigned i = 0; i < count; i++)
        opts_destroy(opts[i]);
    return r;
}

static void make(const char *const options[], unsigned count)
{
    ck_assert_int_eq(try(options, count), 0);
    fake_driver_init(&drv, dev, RINGS);
    ck_assert_int_eq(virtio_start(dev), 0);
}

/* One port, to the other end of `host`, and perhaps a second one. */
static void make_fd(const char *second)
{
    char first[64];
    const char *options[] = {first, second};

    (void)snprintf(first, sizeof(first), "name=one,to=fd:%d", host[1]);
    make(options, second == NULL ? 1 : 2);
}

static uint8_t *ram(gpa_t addr, uint64_t len)
{
    uint8_t *bytes = memory_at(&mem, addr, len);

    ck_assert_ptr_nonnull(bytes);
    return bytes;
}

static void offer(unsigned queue, struct fake_piece piece)
{
    fake_offer(&drv.ring[queue], fake_chain(&drv.ring[queue], &piece, 1));
}

static void kick(unsigned queue)
{
    fake_write(&drv, FAKE_QUEUE_NOTIFY, queue);
}

static uint32_t used(unsigned queue, uint32_t *ret_id)
{
    uint32_t id, len;

    ck_assert(fake_wait_used(&drv, (uint16_t)queue, &id, &len));
    if (ret_id != NULL)
        *ret_id = id;
    return len;
}

/* -- control messages -- */

static void say(uint32_t id, uint16_t event, uint16_t value)
{
    const uint8_t control[8] = {(uint8_t)id,         (uint8_t)(id >> 8),   (uint8_t)(id >> 16),
                                (uint8_t)(id >> 24), (uint8_t)event,       (uint8_t)(event >> 8),
                                (uint8_t)value,      (uint8_t)(value >> 8)};

    memcpy(ram(SAID, 8), control, 8);
    offer(3, (struct fake_piece){SAID, 8, 0});
    kick(3);
    ck_assert_uint_eq(used(3, NULL), 0);
}

/* The next message is that one. */
static void heard(uint32_t id, uint16_t event, uint16_t value, const char *name)
{
    uint32_t head, len = used(2, &head);
    const uint8_t *bytes = ram(CONTROL + head * 64, 64);

    ck_assert_uint_eq(len, 8 + strlen(name));
    ck_assert_uint_eq(bytes[0], id);
    ck_assert_uint_eq(bytes[4], event);
    ck_assert_uint_eq(bytes[6], value);
    ck_assert_int_eq(memcmp(bytes + 8, name, strlen(name)), 0);
}

static void start(unsigned buffers)
{
    ck_assert_uint_eq(fake_start(&drv, FAKE_VERSION_1 | MULTIPORT), 15);
    for (unsigned i = 0; i < buffers; i++)
        offer(2, (struct fake_piece){CONTROL + i * 64, 64, FAKE_WRITE});
    kick(2);
    say(0, READY, 1);
}

/* Up to the driver's having opened port 0. */
static void start_open(const char *name)
{
    start(30);
    heard(0, ADD, 1, "");
    say(0, PORT_READY, 1);
    heard(0, OPEN, 1, "");
    heard(0, NAME, 1, name);
    say(0, OPEN, 1);
}

static void send_text(unsigned queue, const char *text)
{
    memcpy(ram(DATA + 4096 * queue, 4096), text, strlen(text));
    offer(queue, (struct fake_piece){DATA + 4096 * queue, (uint32_t)strlen(text), 0});
    kick(queue);
}

/* What comes out at our end. */
static void host_gets(const char *text)
{
    char got[64] = "";
    size_t len = 0;

    while (len < strlen(text)) {
        ssize_t n = recv(host[0], got + len, sizeof(got) - 1 - len, 0);
        ck_assert_int_gt(n, 0);
        len += (size_t)n;
    }
    ck_assert_str_eq(got, text);
}

/* proves: CON-01, CON-10, CON-12, CON-13 */
START_TEST(ports_are_announced_named_and_opened)
{
    make_fd("name=two");
    ck_assert_uint_eq(fake_read(&drv, FAKE_DEVICE_ID), 3);
    ck_assert_uint_eq(fake_read(&drv, FAKE_CONFIG + 4), 2);
    ck_assert_uint_eq(dev->queue_count, 6);
    start(30);
    heard(0, ADD, 1, "");
    heard(1, ADD, 1, "");
    say(1, PORT_READY, 1);
    heard(1, OPEN, 1, "");
    heard(1, NAME, 1, "two");
    say(0, READY, 1); /* again: they are there already */
    say(0, PORT_READY, 1);
    heard(0, OPEN, 1, "");
    heard(0, NAME, 1, "one");
}
END_TEST

/* proves: CON-17 */
START_TEST(messages_wait_for_buffers)
{
    make_fd("name=two");
    start(0);
    offer(2, (struct fake_piece){CONTROL, 4, FAKE_WRITE}); /* too small for any: comes back */
    offer(2, (struct fake_piece){CONTROL + 64, 64, FAKE_WRITE});
    kick(2);
    ck_assert_uint_eq(used(2, NULL), 0);
    heard(0, ADD, 1, "");
    offer(2, (struct fake_piece){CONTROL + 128, 64, FAKE_WRITE});
    kick(2);
    heard(1, ADD, 1, "");
    say(1, PORT_READY, 1);
    offer(2, (struct fake_piece){CONTROL + 192, 64, FAKE_WRITE});
    offer(2, (struct fake_piece){CONTROL + 256, 10, FAKE_WRITE});
    kick(2);
    heard(1, OPEN, 1, "");
    ck_assert_uint_eq(used(2, NULL), 10); /* "tw" */
}
END_TEST

/* proves: CON-12, CON-16 */
START_TEST(nonsense_is_ignored)
{
    uint32_t id, len;

    make_fd(NULL);
    start(30);
    heard(0, ADD, 1, "");
    say(0xffffffff, PORT_READY, 1);
    say(1, PORT_READY, 1);
    say(0, OPEN, 1); /* before it is ready */
    say(0, 99, 1);
    say(0, ADD, 1);
    say(7, READY, 0);
    offer(3, (struct fake_piece){DATA, 7, 0});
    offer(3, (struct fake_piece){DATA, 64, FAKE_WRITE});
    kick(3);
    ck_assert_uint_eq(used(3, NULL), 0);
    ck_assert_uint_eq(used(3, NULL), 0);
    ck_assert(!fake_used(&drv.ring[2], &id, &len));
    ck_assert_uint_eq(fake_read(&drv, FAKE_STATUS), 15);
}
END_TEST

/* proves: CON-18 */
START_TEST(reset_begins_anew)
{
    make_fd(NULL);
    for (int i = 0; i < 3; i++) {
        start_open("one");
        send_text(1, "x");
        (void)used(1, NULL);
        host_gets("x");
        fake_write(&drv, FAKE_STATUS, 0);
    }
}
END_TEST

/* -- data -- */

/* proves: CON-05, CON-07 */
START_TEST(output_goes_to_the_other_end)
{
    make_fd(NULL);
    start_open("one");
    offer(1, (struct fake_piece){DATA, 4, FAKE_WRITE});
    send_text(1, "hello");
    ck_assert_uint_eq(used(1, NULL), 0);
    ck_assert_uint_eq(used(1, NULL), 0);
    host_gets("hello");
}
END_TEST

/* More pieces than the queue has descriptors, as splice() in the guest makes them. */
START_TEST(output_of_256_pieces_arrives)
{
    struct fake_piece pieces[256];
    char want[257] = "", got[257] = "";

    make_fd(NULL);
    ck_assert_uint_eq(fake_start(&drv, FAKE_VERSION_1 | FAKE_INDIRECT_DESC), 15);
    for (unsigned i = 0; i < 256; i++) {
        pieces[i] = (struct fake_piece){DATA + 16ull * i, 1, 0};
        want[i] = (char)('a' + i % 26);
        *ram(DATA + 16ull * i, 1) = (uint8_t)want[i];
    }
    fake_offer(&drv.ring[1], fake_chain_indirect(&drv.ring[1], TABLE, pieces, 256));
    kick(1);
    ck_assert_uint_eq(used(1, NULL), 0);
    ck_assert_int_eq(recv(host[0], got, 256, MSG_WAITALL), 256);
    ck_assert_str_eq(got, want);
}
END_TEST

/* proves: CON-06, CON-07, CON-15 */
START_TEST(input_waits_for_the_driver_to_open)
{
    uint32_t id, len;

    make_fd(NULL);
    ck_assert_int_eq(write(host[0], "early", 5), 5);
    start(30);
    heard(0, ADD, 1, "");
    say(0, PORT_READY, 1);
    offer(0, (struct fake_piece){INPUT, 3, 0});
    offer(0, (struct fake_piece){INPUT, 3, FAKE_WRITE});
    offer(0, (struct fake_piece){INPUT + 64, 64, FAKE_WRITE});
    kick(0);
    say(0, 99, 0); /* by now it was seen */
    ck_assert(!fake_used(&drv.ring[0], &id, &len));
    say(0, OPEN, 1);
    ck_assert_uint_eq(used(0, NULL), 0);
    ck_assert_uint_eq(used(0, NULL), 3);
    ck_assert_uint_eq(used(0, NULL), 2);
    ck_assert_int_eq(memcmp(ram(INPUT, 3), "ear", 3), 0);
    ck_assert_int_eq(memcmp(ram(INPUT + 64, 2), "ly", 2), 0);
}
END_TEST

/* proves: CON-06, CON-08 */
START_TEST(end_of_input_comes_behind_its_last_byte)
{
    uint32_t id, len;

    make_fd(NULL);
    start_open("one");
    ck_assert_int_eq(write(host[0], "last", 4), 4);
    ck_assert_int_eq(shutdown(host[0], SHUT_WR), 0);
    say(0, 99, 0);
    ck_assert(!fake_used(&drv.ring[2], &id, &len)); /* it waits for a buffer */
    offer(0, (struct fake_piece){INPUT, 64, FAKE_WRITE});
    offer(0, (struct fake_piece){INPUT + 64, 64, FAKE_WRITE});
    kick(0);
    heard(0, OPEN, 0, "");
    ck_assert(fake_used(&drv.ring[0], &id, &len));
    ck_assert_uint_eq(len, 4);
}
END_TEST

/* The kernel's buffers are full: that request waits, and another port does not. */
/* proves: CON-09 */
START_TEST(slow_reader_holds_up_its_own_port_only)
{
    static char got[0x40000];
    uint32_t id, len;
    size_t total = 0;

    make_fd("name=two,to=ring");
    start(30);
    heard(0, ADD, 1, "");
    heard(1, ADD, 1, "");
    say(0, PORT_READY, 1);
    say(1, PORT_READY, 1);
    memset(ram(BULK, 0x20000), 'x', 0x20000);
    for (int i = 0; i < 8; i++)
        offer(1, (struct fake_piece){BULK, 0x20000, 0});
    kick(1);
    send_text(5, "y");
    ck_assert_uint_eq(used(5, NULL), 0);
    say(0, OPEN, 0); /* all that it wrote still comes, then the end */
    for (;;) {
        ssize_t n = recv(host[0], got, sizeof(got), 0);
        ck_assert_int_ge(n, 0);
        if (n == 0)
            break;
        total += (size_t)n;
        if (total == 0x100000)
            break;
    }
    ck_assert_uint_eq(total, 0x100000);
    for (int i = 0; i < 8; i++)
        ck_assert(fake_used(&drv.ring[1], &id, &len) || fake_wait_used(&drv, 1, &id, &len));
}
END_TEST

START_TEST(the_guests_end_is_the_hosts_end_of_file)
{
    char byte;

    make_fd(NULL);
    start_open("one");
    send_text(1, "bye");
    say(0, OPEN, 0);
    host_gets("bye");
    ck_assert_int_eq(recv(host[0], &byte, 1, 0), 0);
    ck_assert_int_eq(write(host[0], "x", 1), 1); /* the other way is open */
}
END_TEST

START_TEST(the_hosts_end_closes_the_port)
{
    make_fd(NULL);
    start_open("one");
    fd_close(&host[0]);
    send_text(1, "nobody");
    ck_assert_uint_eq(used(1, NULL), 0);
    heard(0, OPEN, 0, "");
    send_text(1, "nobody");
    ck_assert_uint_eq(used(1, NULL), 0);
}
END_TEST

START_TEST(without_multiport_there_is_one_port)
{
    make_fd("name=two");
    ck_assert_uint_eq(fake_start(&drv, FAKE_VERSION_1), 15);
    send_text(1, "plain");
    ck_assert_uint_eq(used(1, NULL), 0);
    host_gets("plain");
    offer(0, (struct fake_piece){INPUT, 64, FAKE_WRITE});
    kick(0);
    ck_assert_int_eq(write(host[0], "in", 2), 2);
    ck_assert_uint_eq(used(0, NULL), 2);
}
END_TEST

/* -- where to -- */

static char reply[FAKE_REPLY_BYTES];

static int command(const char *first, const char *second)
{
    return fake_command(dev, first, second, reply);
}

/* Sends through port 0, which is named "p". */
static void through(const char *to, const char *text)
{
    char options[200];

    (void)snprintf(options, sizeof(options), "name=p,to=%s", to);
    make((const char *const[]){options}, 1);
    start_open("p");
    send_text(1, text);
    ck_assert_uint_eq(used(1, NULL), 0);
}

static const char *in_folder(const char *kind, const char *name)
{
    static char text[120];

    (void)snprintf(text, sizeof(text), "%s%s/%s", kind, folder, name);
    return text;
}

START_TEST(a_file_holds_what_was_written)
{
    char got[16] = "";

    through(in_folder("file:", "out"), "to a file");
    int fd = open(in_folder("", "out"), O_RDONLY);
    ck_assert_int_eq(read(fd, got, sizeof(got)), 9);
    ck_assert_str_eq(got, "to a file");
    (void)close(fd);
    ck_assert_int_eq(virtio_finish(dev), 0);
}
END_TEST

START_TEST(a_ring_keeps_the_last_of_it)
{
    through("ring", "one\r\ntwo\x01\xff\nthree");
    ck_assert_int_eq(command("read", "p"), 0);
    ck_assert_str_eq(reply, "one\ntwo..\nthree\n");
    memset(ram(DATA + 4096, 4096), 'a', 4096);
    for (int i = 0; i < 16; i++) {
        offer(1, (struct fake_piece){DATA + 4096, 4096, 0});
        kick(1);
        (void)used(1, NULL);
    }
    ck_assert_int_eq(command("read", "p"), 0);
    ck_assert_int_eq(reply[0], 'a');
    ck_assert_int_eq(command("read", "q"), -ENOENT);
    ck_assert_int_eq(command("write", "p"), -EINVAL);
    ck_assert_int_eq(command("ports", NULL), 0);
    ck_assert_str_eq(reply, "p: open here, open in the guest\n");
}
END_TEST

START_TEST(a_fifo_holds_what_nobody_has_read_yet)
{
    char got[16] = "";

    through(in_folder("fifo:", "fifo"), "to a fifo");
    int fd = open(in_folder("", "fifo"), O_RDONLY);
    ck_assert_int_eq(read(fd, got, sizeof(got)), 9);
    (void)close(fd);
}
END_TEST

START_TEST(a_terminal_takes_both_ways)
{
    char got[16] = "", *path;

    through("pty", "tty\n");
    path = strstr(capture_look(&capture), "/dev/pts/");
    ck_assert_ptr_nonnull(path);
    *strchr(path, '\n') = '\0';
    int fd = open(path, O_RDWR | O_NOCTTY);
    ck_assert_int_eq(read(fd, got, sizeof(got)), 4);
    ck_assert_str_eq(got, "tty\n");
    offer(0, (struct fake_piece){INPUT, 64, FAKE_WRITE});
    kick(0);
    ck_assert_int_eq(write(fd, "key", 3), 3);
    ck_assert_uint_eq(used(0, NULL), 3);
    (void)close(fd);
}
END_TEST

START_TEST(a_terminal_that_nobody_reads_holds_up_nobody)
{
    through("pty", "x");
    memset(ram(DATA + 4096, 4096), 'a', 4096);
    for (int i = 0; i < 64; i++) {
        offer(1, (struct fake_piece){DATA + 4096, 4096, 0});
        kick(1);
        (void)used(1, NULL);
    }
}
END_TEST

static int socket_connect(const char *path)
{
    struct sockaddr_un address;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(unix_address(path, &address), 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

START_TEST(a_socket_opens_and_closes_the_port)
{
    char options[200];

    (void)snprintf(options, sizeof(options), "name=p,to=%s", in_folder("socket:", "s"));
    make((const char *const[]){options}, 1);
    start(30);
    heard(0, ADD, 1, "");
    say(0, PORT_READY, 1);
    heard(0, OPEN, 0, "");
    heard(0, NAME, 1, "p");
    say(0, OPEN, 1);
    offer(0, (struct fake_piece){INPUT, 64, FAKE_WRITE});
    offer(0, (struct fake_piece){INPUT, 64, FAKE_WRITE});
    offer(0, (struct fake_piece){INPUT, 64, FAKE_WRITE});
    kick(0);
    for (int i = 0; i < 2; i++) {
        char got[8] = "";
        int fd = socket_connect(in_folder("", "s"));
        heard(0, OPEN, 1, "");
        ck_assert_int_eq(write(fd, "in", 2), 2);
        ck_assert_uint_eq(used(0, NULL), 2);
        send_text(1, "out");
        (void)used(1, NULL);
        ck_assert_int_eq(read(fd, got, sizeof(got)), 3);
        ck_assert_str_eq(got, "out");
        (void)close(fd);
        heard(0, OPEN, 0, "");
    }
    send_text(1, "nobody");
    ck_assert_uint_eq(used(1, NULL), 0);
}
END_TEST

/* A socket's port with a client, which the guest has opened, with so many buffers for control. */
static int start_client(unsigned buffers)
{
    char options[200];

    (void)snprintf(options, sizeof(options), "name=p,to=%s", in_folder("socket:", "s"));
    make((const char *const[]){options}, 1);
    start(buffers);
    heard(0, ADD, 1, "");
    say(0, PORT_READY, 1);
    heard(0, OPEN, 0, "");
    heard(0, NAME, 1, "p");
    int fd = socket_connect(in_folder("", "s"));
    heard(0, OPEN, 1, "");
    say(0, OPEN, 1);
    return fd;
}

/* One that leaves, and one that comes, while the driver has no buffer to be told: it is told of
 * both. */
START_TEST(the_next_client_waits_until_the_last_ones_end_was_told)
{
    int first = start_client(4);
    int second = socket_connect(in_folder("", "s"));
    ck_assert_int_eq(write(second, "two", 3), 3);
    (void)close(first);
    offer(0, (struct fake_piece){INPUT, 64, FAKE_WRITE});
    kick(0);
    say(0, 99, 1); /* by now it was seen that the first one left */
    offer(2, (struct fake_piece){CONTROL + 4 * 64, 64, FAKE_WRITE});
    offer(2, (struct fake_piece){CONTROL + 5 * 64, 64, FAKE_WRITE});
    kick(2);
    heard(0, OPEN, 0, "");
    heard(0, OPEN, 1, "");
    ck_assert_uint_eq(used(0, NULL), 3);
    (void)close(second);
}
END_TEST

START_TEST(a_client_that_sends_no_more_gets_what_the_guest_sends)
{
    char got[8] = "";
    uint32_t id, len;
    int fd = start_client(30);

    ck_assert_int_eq(write(fd, "in", 2), 2);
    ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
    for (int i = 0; i <= _i; i++) /* the second one meets the end */
        offer(0, (struct fake_piece){INPUT, 64, FAKE_WRITE});
    kick(0);
    ck_assert_uint_eq(used(0, NULL), 2);
    for (int i = 0; i < 3; i++) {
        send_text(1, "out");
        (void)used(1, NULL);
        ck_assert_int_eq(read(fd, got, sizeof(got)), 3);
    }
    ck_assert(!fake_used(&drv.ring[2], &id, &len));
    say(0, OPEN, 0);
    ck_assert_int_eq(read(fd, got, sizeof(got)), 0);
    heard(0, OPEN, 0, "");
    (void)close(fd);
}
END_TEST

START_TEST(a_client_that_sends_no_more_may_leave)
{
    int fd = start_client(30);

    ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
    offer(0, (struct fake_piece){INPUT, 64, FAKE_WRITE});
    kick(0);
    send_text(1, "out");
    (void)used(1, NULL);
    (void)close(fd);
    heard(0, OPEN, 0, "");
}
END_TEST

/* The guest writes to it before it has had a buffer for what came in. */
START_TEST(what_a_client_sent_before_it_left_is_not_lost)
{
    int fd = start_client(30);

    ck_assert_int_eq(write(fd, "last words", 10), 10);
    (void)close(fd);
    send_text(1, "nobody");
    ck_assert_uint_eq(used(1, NULL), 0);
    offer(0, (struct fake_piece){INPUT, 64, FAKE_WRITE});
    offer(0, (struct fake_piece){INPUT, 64, FAKE_WRITE});
    kick(0);
    ck_assert_uint_eq(used(0, NULL), 10);
    ck_assert_int_eq(memcmp(ram(INPUT, 10), "last words", 10), 0);
    heard(0, OPEN, 0, "");
}
END_TEST

START_TEST(broken_ring_needs_reset)
{
    static const unsigned queues[] = {0, 1, 3};
    unsigned queue = queues[_i];

    make_fd(NULL);
    start_open("one");
    offer(queue, (struct fake_piece){0xffffffffff, 16, queue == 0 ? FAKE_WRITE : 0});
    kick(queue);
    ck_assert(fake_wait_status(&drv, 64));
}
END_TEST

/* End of input does not end the output, and what was written is out when the device is gone. */
START_TEST(standard_streams_are_copied)
{
    int in[2], out[2], saved[2] = {dup(0), dup(1)};
    char got[8] = "";

    ck_assert(pipe(in) == 0 && pipe(out) == 0 && dup2(in[0], 0) == 0 && dup2(out[1], 1) == 1);
    make((const char *const[]){"name=one,to=stdio"}, 1);
    start_open("one");
    ck_assert_int_eq(write(in[1], "in", 2), 2);
    offer(0, (struct fake_piece){INPUT, 64, FAKE_WRITE});
    offer(0, (struct fake_piece){INPUT, 64, FAKE_WRITE});
    kick(0);
    ck_assert_uint_eq(used(0, NULL), 2);
    (void)close(in[1]);
    for (int i = 0; i < 2; i++) {
        send_text(1, "out");
        (void)used(1, NULL);
        ck_assert_int_eq(read(out[0], got, sizeof(got)), 3);
        ck_assert_str_eq(got, "out");
    }
    send_text(1, "last");
    (void)used(1, NULL);
    virtio_destroy(dev);
    fake_driver_fini(&drv);
    dev = NULL;
    ck_assert_int_eq(fcntl(out[0], F_SETFL, O_NONBLOCK), 0);
    ck_assert_int_eq(read(out[0], got, sizeof(got)), 4);
    ck_assert_int_eq(fcntl(out[1], F_GETFL) & O_NONBLOCK, 0); /* it is shared: left as it was */
    ck_assert(dup2(saved[0], 0) == 0 && dup2(saved[1], 1) == 1);
}
END_TEST

/* -- what people may get wrong -- */

START_TEST(bad_options_are_refused)
{
    static const char *const bad[][3] = {
        {"name=a", "name=a", "two of a"},
        {"name=a,to=file:/nowhere/x", NULL, "/nowhere/x"},
        {"name=a,to=file:/dev/null", NULL, "regular"},
        {"name=a,to=fifo:/dev/null", NULL, "no FIFO"},
        {"name=a,to=fifo:/nowhere/x", NULL, "/nowhere/x"},
        {"name=a,to=socket:/dev/null", NULL, "/dev/null"},
        {"name=a,to=fd:999", NULL, "socket"},
        {"name=a,to=fd:0", NULL, "socket"},
        {"name=a,to=fd:x", NULL, "no number"},
        {"name=a,to=stdio", "name=b,to=stdio", "port a has it"},
    };

    ck_assert_int_lt(try(bad[_i], bad[_i][1] == NULL ? 1 : 2), 0);
    const char *said = capture_look(&capture);
    ck_assert_msg(capture_is_one_error(said), "%s", said);
    ck_assert_ptr_nonnull(strstr(said, bad[_i][2]));
}
END_TEST

START_TEST(there_may_be_24)
{
    static char names[24][32];
    const char *options[24];

    for (int i = 0; i < 24; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "name=p%d,to=null", i);
        options[i] = names[i];
    }
    make(options, 24);
    ck_assert_uint_eq(dev->queue_count, 50);
    start(30);
    for (uint32_t i = 0; i < 24; i++)
        heard(i, ADD, 1, "");
    say(23, PORT_READY, 1);
    heard(23, OPEN, 1, "");
    heard(23, NAME, 1, "p23");
    send_text(49, "last");
    ck_assert_uint_eq(used(49, NULL), 0);
}
END_TEST

Suite *ports_suite(void);
Suite *ports_suite(void)
{
    Suite *suite = suite_create("ports");
    TCase *tcase = tcase_create("ports");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, ports_are_announced_named_and_opened);
    tcase_add_test(tcase, messages_wait_for_buffers);
    tcase_add_test(tcase, nonsense_is_ignored);
    tcase_add_test(tcase, reset_begins_anew);
    tcase_add_test(tcase, output_goes_to_the_other_end);
    tcase_add_test(tcase, output_of_256_pieces_arrives);
    tcase_add_test(tcase, input_waits_for_the_driver_to_open);
    tcase_add_test(tcase, end_of_input_comes_behind_its_last_byte);
    tcase_add_test(tcase, slow_reader_holds_up_its_own_port_only);
    tcase_add_test(tcase, the_guests_end_is_the_hosts_end_of_file);
    tcase_add_test(tcase, the_hosts_end_closes_the_port);
    tcase_add_test(tcase, without_multiport_there_is_one_port);
    tcase_add_test(tcase, a_file_holds_what_was_written);
    tcase_add_test(tcase, a_ring_keeps_the_last_of_it);
    tcase_add_test(tcase, a_fifo_holds_what_nobody_has_read_yet);
    tcase_add_test(tcase, a_terminal_takes_both_ways);
    tcase_add_test(tcase, a_terminal_that_nobody_reads_holds_up_nobody);
    tcase_add_test(tcase, a_socket_opens_and_closes_the_port);
    tcase_add_test(tcase, the_next_client_waits_until_the_last_ones_end_was_told);
    tcase_add_loop_test(tcase, a_client_that_sends_no_more_gets_what_the_guest_sends, 0, 2);
    tcase_add_test(tcase, a_client_that_sends_no_more_may_leave);
    tcase_add_test(tcase, what_a_client_sent_before_it_left_is_not_lost);
    tcase_add_test(tcase, standard_streams_are_copied);
    tcase_add_loop_test(tcase, broken_ring_needs_reset, 0, 3);
    tcase_add_loop_test(tcase, bad_options_are_refused, 0, 10);
    tcase_add_test(tcase, there_may_be_24);
    suite_add_tcase(suite, tcase);
    return suite;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What stock kernels said to each device, said again: recordings of tests/replay/ (made by
 * record.sh there; named KERNEL.TRANSPORT.DEVICE.jsonl) go through virtio/transport.h, and what the
 * device answers is compared as far as it is the same each time.
 *
 * Requests are told by their beginnings; the rest is zeroes. How the driver had split them into
 * descriptors is not recorded, and no device may depend on it.
 */
#include "tests/recorded.h"

#include "tests/capture.h"
#include "virtio/transport.h"

#include <check.h>
#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#define HEAP           0x400000u
#define RECORDINGS_MAX 128
#define QUEUES_MAX     8
#define BUFFERS_MAX    2048
#define REQUEST_MAX    (1u << 20) /* bytes; what is larger is left out: free memory */
#define WAIT_MS        5000

/* How much of a device's answers is the same each time. */
static const struct sameness {
    const char *device;
    unsigned waits;                 /* queues (bits) whose requests come back by themselves, */
    unsigned same_len;              /* with as many bytes, */
    unsigned same_from, same_bytes; /* and the same ones: so many from there on */
    bool config_varies;             /* config space is of that machine */
} samenesses[] = {
    {"rng0", 1, 0, 0, 0, false},
    {"snd0", 13, 13, 0, 4, false},
    {"disk0", 1, 1, 0, 128, false},
    /* Errors: the rest has times, and places in a folder as its file system has them. */
    {"share0", 3, 0, 4, 4, false},
    {"net0", 2, 2, 0, 0, true},
    {"console0", 12, 12, 0, 128, false},
    {"balloon0", 3, 3, 0, 0, true},
    {"vsock0", 3, 3, 0, 44, false},
    {"input0", 2, 2, 0, 0, false},
    {"pmem0", 1, 1, 0, 4, true},
};

static char names[RECORDINGS_MAX][64];
static int name_count;

static struct capture capture;
static char folder[32];
static struct memory mem;
static const struct sameness *same;
static struct virtio_device *dev;
static struct fake_ring rings[QUEUES_MAX];
static gpa_t heap;
static int news_fd;
/* Requests under way, by queue and what the recording calls them. */
static struct buffer {
    gpa_t answer;
    uint32_t room, used;
    uint16_t head;
    bool there, back;
} buffers[QUEUES_MAX][BUFFERS_MAX];

/* -- a transport -- */

static void queue_news(struct virtio_transport *transport, const struct virtq *vq)
{
    (void)transport;
    (void)vq;
    (void)eventfd_write(news_fd, 1);
}

static void no_news(struct virtio_transport *transport)
{
    (void)transport;
}

static const struct virtio_transport_ops ops = {
    .queue_news = queue_news, .config_news = no_news, .reset = no_news};
static struct virtio_transport transport = {.ops = &ops};

/* -- the driver's side -- */

static gpa_t take_ram(uint64_t len)
{
    gpa_t at = heap;

    heap += (len + 15) & ~15ull;
    ck_assert_uint_lt(heap, RECORDED_RAM_BYTES);
    return at;
}

static void collect(unsigned queue)
{
    uint32_t id, len;

    while (fake_used(&rings[queue], &id, &len))
        for (unsigned i = 0; i < BUFFERS_MAX; i++)
            if (buffers[queue][i].there && buffers[queue][i].head == id) {
                buffers[queue][i].back = true;
                buffers[queue][i].used = len;
            }
}

static bool comes_back(unsigned queue, const struct buffer *buffer)
{
    struct pollfd news = {.fd = news_fd, .events = POLLIN};
    eventfd_t count;

    for (int tries = 0; tries < WAIT_MS / 10 && !buffer->back; tries++) {
        collect(queue);
        if (!buffer->back && poll(&news, 1, 10) > 0)
            (void)eventfd_read(news_fd, &count);
    }
    return buffer->back;
}

static void set_queue(const json_t *line)
{
    uint32_t queue = recorded_number(line, "queue");
    uint16_t size = (uint16_t)recorded_number(line, "size");
    bool enable = recorded_number(line, "enable") != 0;
    struct virtq_config *config = virtio_queue_setup(dev, queue);

    if (enable) {
        ck_assert_ptr_nonnull(config);
        ck_assert_uint_le(size, dev->queue[queue].limits.size);
        fake_ring_init(&rings[queue], &mem, size, take_ram(fake_ring_bytes(size)),
                       dev->driver_features);
        config->size = size;
        config->desc = rings[queue].desc;
        config->driver = rings[queue].avail;
        config->device = rings[queue].used;
    }
    virtio_queue_enable(dev, queue, enable);
}

static void set_status(const json_t *line)
{
    uint32_t val = recorded_number(line, "write");

    virtio_status_write(dev, val);
    if (val == 0) {
        memset(buffers, 0, sizeof(buffers));
        heap = HEAP;
    }
    virtio_settle(dev);
    ck_assert_uint_eq(virtio_status_read(dev), val == 0 ? 0 : recorded_number(line, "status"));
}

static void read_config(const json_t *line)
{
    uint8_t was[RECORDED_BYTES_MAX], is[RECORDED_BYTES_MAX];
    size_t len = recorded_bytes(line, "sent", was);

    virtio_config_read(dev, recorded_number(line, "offset"), is, len);
    if (!same->config_varies)
        ck_assert_mem_eq(is, was, len);
}

/* All but requests, in the order of the recording. */
static bool register_step(const json_t *line, const char *event)
{
    uint8_t bytes[RECORDED_BYTES_MAX];

    if (strcmp(event, "status") == 0)
        set_status(line);
    else if (strcmp(event, "features-read") == 0)
        ck_assert_uint_eq(recorded_number(line, "bits") &
                              ~virtio_features_read(dev, recorded_number(line, "word")),
                          0);
    else if (strcmp(event, "features-write") == 0)
        virtio_features_write(dev, recorded_number(line, "word"), recorded_number(line, "bits"));
    else if (strcmp(event, "queue") == 0)
        set_queue(line);
    else if (strcmp(event, "config-read") == 0)
        read_config(line);
    else if (strcmp(event, "config-write") == 0)
        virtio_config_write(dev, recorded_number(line, "offset"), bytes,
                            recorded_bytes(line, "sent", bytes));
    else
        return false;
    return true;
}

static void offer_request(const json_t *line)
{
    uint32_t queue = recorded_number(line, "queue"), sent = recorded_number(line, "readable");
    struct fake_piece pieces[2];
    struct buffer *buffer = &buffers[queue][recorded_number(line, "buffer") % BUFFERS_MAX];
    uint8_t bytes[RECORDED_BYTES_MAX];
    unsigned count = 0;

    *buffer = (struct buffer){.room = recorded_number(line, "writable")};
    buffer->there = sent <= REQUEST_MAX && buffer->room <= REQUEST_MAX;
    if (!buffer->there)
        return;
    if (sent > 0) {
        pieces[count] = (struct fake_piece){take_ram(sent), sent, 0};
        memset(memory_at(&mem, pieces[count].addr, sent), 0, sent);
        size_t known = recorded_bytes(line, "sent", bytes);
        ck_assert_int_eq(memory_write(&mem, pieces[count++].addr, bytes, known), 0);
    }
    if (buffer->room > 0) {
        buffer->answer = take_ram(buffer->room);
        pieces[count++] = (struct fake_piece){buffer->answer, buffer->room, FAKE_WRITE};
    }
    buffer->head = fake_chain(&rings[queue], pieces, count);
    fake_used_event_set(&rings[queue], rings[queue].used_seen);
    fake_offer(&rings[queue], buffer->head);
    virtio_queue_kick(dev, queue);
}

static void check_answer(const json_t *line)
{
    uint32_t queue = recorded_number(line, "queue"), written = recorded_number(line, "written");
    struct buffer *buffer = &buffers[queue][recorded_number(line, "buffer") % BUFFERS_MAX];
    uint8_t was[RECORDED_BYTES_MAX];
    size_t len = MIN(recorded_bytes(line, "answer", was), (size_t)written);

    if ((same->waits >> queue & 1) == 0 || !buffer->there)
        return;
    virtio_unlock(dev);
    ck_assert_msg(comes_back(queue, buffer), "no answer: %s",
                  json_string_value(json_object_get(line, "sent")));
    virtio_lock(dev);
    buffer->there = false;
    if ((same->same_len >> queue & 1) != 0)
        ck_assert_uint_eq(buffer->used, written);
    len = MIN(len, (size_t)same->same_from + same->same_bytes);
    if (len > same->same_from && same->same_bytes > 0)
        ck_assert_mem_eq((uint8_t *)memory_at(&mem, buffer->answer, len) + same->same_from,
                         was + same->same_from, len - same->same_from);
}

/* The first line says which device it is. */
static void device_make(const json_t *line)
{
    const char *name = recorded_text(line, "name");

    for (size_t i = 0; i < ARRAY_SIZE(samenesses); i++)
        if (strcmp(name, samenesses[i].device) == 0)
            same = &samenesses[i];
    ck_assert_msg(same != NULL, "no device %s", name);
    dev = recorded_create(recorded_kind(name), folder, -1, &mem);
    virtio_connect(dev, &transport);
    ck_assert_int_eq(virtio_start(dev), 0);
    virtio_lock(dev);
}

static void setup(void)
{
    capture_start(&capture);
    same = NULL;
    dev = NULL;
    recorded_folder_make(folder);
    news_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    heap = HEAP;
    memset(buffers, 0, sizeof(buffers));
    fake_memory(&mem, RECORDED_RAM_BYTES);
}

static void teardown(void)
{
    virtio_destroy(dev);
    memory_destroy(&mem);
    (void)close(news_fd);
    recorded_folder_remove(folder);
    (void)capture_end(&capture);
}

static void line_say(const json_t *line)
{
    const char *event = recorded_text(line, "event");

    if (strcmp(event, "device") == 0) {
        device_make(line);
        return;
    }
    ck_assert_ptr_nonnull(dev);
    virtio_settle(dev);
    if (strcmp(event, "pop") == 0)
        offer_request(line);
    else if (strcmp(event, "push") == 0)
        check_answer(line);
    else
        (void)register_step(line, event);
}

START_TEST(recording_is_answered_as_it_was)
{
    char path[128], *text = NULL;
    size_t room = 0;

    (void)snprintf(path, sizeof(path), "tests/replay/%s", names[_i]);
    FILE *file = fopen(path, "re");
    ck_assert_ptr_nonnull(file);
    while (getline(&text, &room, file) > 0) {
        json_t *line = json_loads(text, 0, NULL);
        ck_assert_msg(line != NULL, "no JSON: %s", text);
        line_say(line);
        json_decref(line);
    }
    virtio_settle(dev);
    ck_assert_uint_eq(virtio_status_read(dev) & 64, 0);
    virtio_unlock(dev);
    (void)fclose(file);
    free(text);
}
END_TEST

static int find_recordings(void)
{
    DIR *found = opendir("tests/replay");
    const struct dirent *entry;

    name_count = 0;
    while (found != NULL && (entry = readdir(found)) != NULL)
        if (strstr(entry->d_name, ".jsonl") != NULL && name_count < RECORDINGS_MAX)
            (void)snprintf(names[name_count++], sizeof(names[0]), "%.63s", entry->d_name);
    if (found != NULL)
        (void)closedir(found);
    return name_count;
}

START_TEST(there_are_recordings_of_each_device)
{
    ck_assert_int_lt(name_count, RECORDINGS_MAX);
    for (size_t i = 0; i < ARRAY_SIZE(samenesses); i++) {
        unsigned count = 0;
        for (int k = 0; k < name_count; k++)
            count += strstr(names[k], samenesses[i].device) != NULL;
        ck_assert_msg(count >= 2, "%s: %u recordings", samenesses[i].device, count);
    }
}
END_TEST

Suite *replay_suite(void);
Suite *replay_suite(void)
{
    Suite *suite = suite_create("replay");
    TCase *replays = tcase_create("recordings");
    TCase *all = tcase_create("all");

    tcase_add_checked_fixture(replays, setup, teardown);
    tcase_set_timeout(replays, 60);
    tcase_add_loop_test(replays, recording_is_answered_as_it_was, 0, find_recordings());
    suite_add_tcase(suite, replays);
    tcase_add_test(all, there_are_recordings_of_each_device);
    suite_add_tcase(suite, all);
    return suite;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whole sessions of other programs with our sound device as a back-end, in their orders, as they
 * were seen on the wire (QEMU) or read in the source (crosvm, cloud-hypervisor): they meet it,
 * their guest finds the card and plays, is paused, reset, and they leave and come again. Time is
 * simulated.
 */
#include "devices/registry.h"
#include "tests/fake_front.h"

#include <check.h>
#include <string.h>

#define RINGS        4
#define FEATURES     (1ull << 32 | 1ull << 30 | 1ull << 28)
#define PERIOD_BYTES 1920u /* 10 ms of S16, stereo, 48 kHz */
#define REQUEST      0x100000
#define ANSWER       0x101000
#define EVENTS       0x102000
#define PERIODS      0x110000 /* a page each */
#define OK           0x8000u

enum { CONTROL, EVENT, TX, RX };

/* Bits of the protocol. */
#define MQ           (1u << 0)
#define REPLY_ACK    (1u << 3)
#define BACKEND_REQ  (1u << 5)
#define CONFIG       (1u << 9)
#define RESET_DEVICE (1u << 13)
#define MEM_SLOTS    (1u << 15)

static struct fake_front front;
static int dummy; /* an eventfd that nobody looks at */

/* -- words -- */

static void acked(void)
{
    ck_assert_uint_eq(fake_front_ack(&front), 0);
}

/* Said with NEED_REPLY, as that message alone. */
#define NEED(say)                                                                                  \
    do {                                                                                           \
        front.flags = VHOST_USER_NEED_REPLY;                                                       \
        say;                                                                                       \
        acked();                                                                                   \
        front.flags = 0;                                                                           \
    } while (0)

static void ask_features(void)
{
    ck_assert_uint_eq(fake_front_ask(&front, VHOST_USER_GET_FEATURES) & FEATURES, FEATURES);
}

/* What both can do of that. */
static void agree(uint32_t protocol)
{
    uint64_t offered = fake_front_ask(&front, VHOST_USER_GET_PROTOCOL_FEATURES);

    ck_assert_uint_eq(offered & protocol, protocol);
    fake_front_say_u64(&front, VHOST_USER_SET_PROTOCOL_FEATURES, protocol);
}

static void say_channel(void)
{
    front.msg.fd[front.msg.fd_count++] = dummy;
    fake_front_say(&front, VHOST_USER_SET_BACKEND_REQ_FD, 0);
}

static void say_region(uint64_t guest, uint64_t size)
{
    front.msg.payload.one_region.region =
        (struct vhost_user_region){guest, size, FRONT_USER + guest, guest};
    front.msg.fd[front.msg.fd_count++] = front.ram.fd;
    fake_front_say(&front, VHOST_USER_ADD_MEM_REG, 40);
}

static void say_num(uint32_t i)
{
    fake_front_say_ring(&front, VHOST_USER_SET_VRING_NUM, i, 64);
}

static void say_base(uint32_t i, uint32_t base)
{
    fake_front_say_ring(&front, VHOST_USER_SET_VRING_BASE, i, base);
}

static void say_kick(uint32_t i)
{
    fake_front_say_fd(&front, VHOST_USER_SET_VRING_KICK, i, front.kick[i]);
}

static void say_call(uint32_t i, int fd)
{
    fake_front_say_fd(&front, VHOST_USER_SET_VRING_CALL, i, fd);
}

static void say_enable(uint32_t i, uint32_t on)
{
    fake_front_say_ring(&front, VHOST_USER_SET_VRING_ENABLE, i, on);
}

static void ask_config(uint32_t offset, uint32_t size)
{
    static const uint32_t fields[4] = {1, 1, 2,
                                       0}; /* a jack, a stream, maps of one and two channels */

    front.msg.payload.config = (struct vhost_user_config){.offset = offset, .size = size};
    fake_front_say(&front, VHOST_USER_GET_CONFIG, 12 + size);
    ck_assert(fake_front_hears(&front));
    ck_assert_uint_eq(front.rx.msg.header.size, 12 + size);
    ck_assert_mem_eq(front.rx.msg.payload.config.bytes, (const uint8_t *)fields + offset, size);
}

static uint32_t ask_base(uint32_t i)
{
    fake_front_say_ring(&front, VHOST_USER_GET_VRING_BASE, i, 0);
    ck_assert(fake_front_hears(&front));
    ck_assert_uint_eq(front.rx.msg.payload.state.index, i);
    return front.rx.msg.payload.state.num;
}

/* -- QEMU -- */

/* What QEMU 10 does as it starts, before there is a guest. */
static void qemu_meet(uint32_t protocol)
{
    ask_features();
    agree(protocol);
    ck_assert_uint_eq(fake_front_ask(&front, VHOST_USER_GET_QUEUE_NUM), RINGS);
    ck_assert_uint_eq(fake_front_ask(&front, VHOST_USER_GET_MAX_MEM_SLOTS), 64);
    NEED(say_channel());
    fake_front_say(&front, VHOST_USER_SET_OWNER, 0);
    ask_features();
    for (uint32_t i = 0; i < RINGS; i++) {
        say_call(i, dummy);
        fake_front_say_fd(&front, VHOST_USER_SET_VRING_ERR, i, front.error[i]);
    }
}

static void qemu_snd_meet(bool again)
{
    (void)again; /* another process, which knows nothing */
    qemu_meet(MQ | REPLY_ACK | BACKEND_REQ | CONFIG | RESET_DEVICE | MEM_SLOTS);
}

static void qemu_start_rings(const uint32_t base[RINGS])
{
    for (uint32_t i = 0; i < RINGS; i++) {
        say_num(i);
        say_base(i, base[i]);
        fake_front_say_address(&front, i);
        say_kick(i);
        say_call(i, front.call[i]);
    }
}

/* Memory is told at the first start only. */
static void qemu_snd_start(const uint32_t base[RINGS], bool first)
{
    fake_front_say_u64(&front, VHOST_USER_SET_FEATURES, FEATURES);
    if (first) {
        NEED(say_region(0, FRONT_RAM_BYTES / 2));
        NEED(say_region(FRONT_RAM_BYTES / 2, FRONT_RAM_BYTES / 2));
    }
    qemu_start_rings(base);
    for (uint32_t i = 0; i < RINGS; i++)
        NEED(say_enable(i, 1));
    for (uint32_t i = 0; i < RINGS; i++)
        say_call(i, front.call[i]);
}

static void qemu_probe(void)
{
    for (unsigned i = 0; i < 3; i++)
        ask_config(0, 12);
}

static void qemu_stop(uint32_t ret_base[RINGS])
{
    for (uint32_t i = 0; i < RINGS; i++)
        say_enable(i, 0);
    for (uint32_t i = 0; i < RINGS; i++)
        ret_base[i] = ask_base(i);
}

/* As with shares: the device is reset when it is made, and at each reset of the driver's. */
static void qemu_fs_meet(bool again)
{
    qemu_snd_meet(again);
    fake_front_say(&front, VHOST_USER_RESET_DEVICE, 0);
}

static void qemu_fs_reset(void)
{
    fake_front_say(&front, VHOST_USER_RESET_DEVICE, 0);
}

/* 7.2: features twice, a table, and nothing is waited for; firmware starts and stops it first. */
static void qemu_7_start(const uint32_t base[RINGS], bool first)
{
    fake_front_say_u64(&front, VHOST_USER_SET_FEATURES, FEATURES);
    for (uint32_t i = 0; i < RINGS; i++)
        say_call(i, dummy);
    fake_front_say_u64(&front, VHOST_USER_SET_FEATURES, FEATURES);
    if (first)
        fake_front_say_table(&front);
    qemu_start_rings(base);
    for (uint32_t i = 0; i < RINGS; i++)
        say_enable(i, 1);
}

static void qemu_7_meet(bool again)
{
    uint32_t base[RINGS] = {0};

    (void)again;
    ask_features();
    agree(MQ | REPLY_ACK | BACKEND_REQ | CONFIG | RESET_DEVICE | MEM_SLOTS);
    ck_assert_uint_eq(fake_front_ask(&front, VHOST_USER_GET_QUEUE_NUM), RINGS);
    NEED(say_channel());
    fake_front_say(&front, VHOST_USER_SET_OWNER, 0);
    fake_front_rings(&front, 64);
    qemu_7_start(base, true);
    qemu_stop(base);
    ck_assert_uint_eq(base[CONTROL], 0);
}

/* -- crosvm -- */

static void crosvm_meet(bool again)
{
    (void)again;
    fake_front_say(&front, VHOST_USER_SET_OWNER, 0);
    ask_features();
    agree(MQ | REPLY_ACK | BACKEND_REQ | CONFIG);
    say_channel();
    ck_assert_uint_eq(fake_front_ask(&front, VHOST_USER_GET_QUEUE_NUM), RINGS);
}

/* Features are said when they changed. */
static void crosvm_start(const uint32_t base[RINGS], bool first)
{
    if (first)
        fake_front_say_u64(&front, VHOST_USER_SET_FEATURES, FEATURES);
    fake_front_say_table(&front);
    for (uint32_t i = 0; i < RINGS; i++) {
        say_num(i);
        fake_front_say_address(&front, i);
        say_base(i, base[i]);
        say_call(i, front.call[i]);
        say_kick(i);
        say_enable(i, 1);
    }
}

static void probe_fields(void)
{
    for (uint32_t i = 0; i < 3; i++)
        ask_config(4 * i, 4);
}

static void crosvm_stop(uint32_t ret_base[RINGS])
{
    for (uint32_t i = 0; i < RINGS; i++) {
        say_enable(i, 0);
        ret_base[i] = ask_base(i);
    }
}

/* -- cloud-hypervisor: everything is to be acknowledged -- */

static void cloud_meet(bool again)
{
    const uint32_t protocol = MQ | REPLY_ACK | BACKEND_REQ | CONFIG | MEM_SLOTS;

    front.flags = 0;
    fake_front_say(&front, VHOST_USER_SET_OWNER, 0);
    ask_features();
    if (again)
        fake_front_say_u64(&front, VHOST_USER_SET_PROTOCOL_FEATURES, protocol); /* not asked */
    else
        agree(protocol);
    front.flags = VHOST_USER_NEED_REPLY;
    ck_assert_uint_eq(fake_front_ask(&front, VHOST_USER_GET_QUEUE_NUM), RINGS);
}

/* Each ring begins where its driver has got to. */
static void cloud_start(const uint32_t base[RINGS], bool first)
{
    (void)base;
    (void)first;
    front.flags = VHOST_USER_NEED_REPLY;
    fake_front_say_u64(&front, VHOST_USER_SET_FEATURES, FEATURES);
    acked();
    fake_front_say_table(&front);
    acked();
    for (uint32_t i = 0; i < RINGS; i++) {
        say_num(i);
        acked();
    }
    for (uint32_t i = 0; i < RINGS; i++) {
        fake_front_say_address(&front, i);
        acked();
        say_base(i, front.ring[i].avail_idx);
        acked();
        say_call(i, front.call[i]);
        acked();
        say_kick(i);
        acked();
    }
    for (uint32_t i = 0; i < RINGS; i++) {
        say_enable(i, 1);
        acked();
    }
    say_channel();
    acked();
}

static void cloud_stop(uint32_t ret_base[RINGS])
{
    for (uint32_t i = 0; i < RINGS; i++) {
        say_enable(i, 0);
        acked();
    }
    for (uint32_t i = 0; i < RINGS; i++)
        ret_base[i] = ask_base(i);
}

static const struct {
    void (*meet)(bool again);
    void (*start)(const uint32_t base[RINGS], bool first);
    void (*probe)(void);
    void (*stop)(uint32_t ret_base[RINGS]);
    void (*reset)(void);
    bool pauses; /* its pause is a stop, and a start where that was */
} fronts[] = {
    {qemu_snd_meet, qemu_snd_start, qemu_probe, qemu_stop, NULL, true},
    {qemu_fs_meet, qemu_snd_start, qemu_probe, qemu_stop, qemu_fs_reset, true},
    {qemu_7_meet, qemu_7_start, qemu_probe, qemu_stop, NULL, true},
    {crosvm_meet, crosvm_start, probe_fields, crosvm_stop, NULL, true},
    {cloud_meet, cloud_start, probe_fields, cloud_stop, NULL, false},
};

/* -- the guest's driver -- */

static void offer_event(void)
{
    const struct fake_piece piece = {EVENTS, 8, FAKE_WRITE};

    fake_offer(&front.ring[EVENT], fake_chain(&front.ring[EVENT], &piece, 1));
}

static uint32_t control(const uint32_t *words, uint32_t count, uint32_t room)
{
    const struct fake_piece pieces[] = {{REQUEST, 4 * count, 0}, {ANSWER, 4 + room, FAKE_WRITE}};
    uint32_t id, len, status = 0;

    ck_assert_int_eq(memory_write(&front.ram, REQUEST, words, 4ull * count), 0);
    fake_offer(&front.ring[CONTROL], fake_chain(&front.ring[CONTROL], pieces, 2));
    fake_front_kick(&front, CONTROL);
    ck_assert(fake_front_used(&front, CONTROL, &id, &len));
    ck_assert_uint_eq(len, 4 + room);
    ck_assert_int_eq(memory_read(&front.ram, ANSWER, &status, 4), 0);
    return status;
}

static void command(uint32_t code)
{
    const uint32_t words[2] = {code, 0};

    ck_assert_uint_eq(control(words, 2, 0), OK);
}

/* PCM_INFO, SET_PARAMS, PREPARE. */
static void find_card(void)
{
    const uint32_t ask[4] = {0x0100, 0, 1, 32};
    const uint32_t set[6] = {0x0101, 0, 4 * PERIOD_BYTES, PERIOD_BYTES, 0, 2 | 5u << 8 | 7u << 16};

    ck_assert_uint_eq(control(ask, 4, 32), OK);
    ck_assert_uint_eq(control(set, 6, 0), OK);
    command(0x0102);
}

static void hand_over(unsigned n)
{
    const gpa_t at = PERIODS + n % 16 * 4096;
    const struct fake_piece pieces[] = {
        {at, 4, 0}, {at + 4, PERIOD_BYTES, 0}, {at + 2048, 8, FAKE_WRITE}};

    memset(memory_at(&front.ram, at, 4096), 0, 4096);
    fake_offer(&front.ring[TX], fake_chain(&front.ring[TX], pieces, 3));
    fake_front_kick(&front, TX);
}

static unsigned come_back(void)
{
    uint32_t id, len;
    unsigned count = 0;

    while (fake_used(&front.ring[TX], &id, &len)) {
        ck_assert_uint_eq(len, 8);
        count++;
    }
    return count;
}

/* Four periods are heard in 40 ms, and in no less, wherever the machine was paused. */
static void hear_four(unsigned which, bool paused)
{
    uint32_t base[RINGS];
    unsigned heard = 0;

    for (unsigned n = 0; n < 4; n++)
        hand_over(n);
    command(0x0104);
    fake_front_advance(&front, 15 * MS_NS);
    heard += come_back();
    ck_assert_uint_eq(heard, 1);
    if (paused) {
        fronts[which].stop(base);
        ck_assert_uint_eq(base[TX] % 64, front.ring[TX].avail_idx % 64);
        fake_front_advance(&front, SECOND_NS);
        ck_assert_uint_eq(come_back(), 0);
        fronts[which].start(base, false);
    }
    fake_front_advance(&front, 30 * MS_NS);
    ck_assert_uint_eq(heard + come_back(), 4);
    command(0x0105);
    command(0x0103);
}

static void unplugged(struct virtio_command *command)
{
    ck_assert_int_eq(command->result, 0);
}

static void pull_plug(const char *how, uint32_t event_wanted)
{
    const char *const words[] = {"jack", "headphone", how, NULL};
    struct virtio_command command = {.words = words, .reply = stderr, .done = unplugged};
    uint32_t id, len, event[2];

    virtio_command(front.dev, &command);
    ck_assert(fake_front_used(&front, EVENT, &id, &len));
    ck_assert_uint_eq(len, 8);
    ck_assert_int_eq(memory_read(&front.ram, EVENTS, event, 8), 0);
    ck_assert_uint_eq(event[0], event_wanted);
    offer_event();
}

/* From the driver's DRIVER_OK, before which it offers buffers for events, to its end. */
static void run_guest(unsigned which, bool first)
{
    const uint32_t base[RINGS] = {0};
    uint32_t end[RINGS];

    fake_front_rings(&front, 64);
    for (unsigned i = 0; i < 4; i++)
        offer_event();
    fronts[which].start(base, first);
    fake_front_advance(&front, 10 * MS_NS); /* who enables ring by ring is waited for */
    fronts[which].probe();
    find_card();
    hear_four(which, false);
    pull_plug("unplug", 0x1001);
    pull_plug("plug", 0x1000);
    find_card();
    hear_four(which, fronts[which].pauses);
    fronts[which].stop(end);
    ck_assert_uint_eq(end[TX], front.ring[TX].avail_idx);
    if (fronts[which].reset != NULL)
        fronts[which].reset();
}

/* -- tests -- */

static void setup(void)
{
    struct opts *opts;

    ck_assert_int_eq(opts_create(virtio_snd.opts, &opts), 0);
    ck_assert_int_eq(opts_parse(opts, "", "host=null,jacks=headphone"), 0);
    fake_front_init(&front, &virtio_snd, opts, false);
    opts_destroy(opts);
    dummy = front.error[FRONT_RINGS_MAX - 1];
}

static void teardown(void)
{
    fake_front_fini(&front);
}

/* A guest, which is reset twice; then the front-end goes, and another one comes, or the same. */
/* proves: VU-06, VU-09, VU-15, VU-24, VU-30, VU-31, VU-34, VU-45, VU-46 */
START_TEST(guests_of_any_front_end_find_play_and_hear)
{
    for (unsigned life = 0; life < 2; life++) {
        fake_front_connect(&front);
        fronts[_i].meet(life > 0);
        for (unsigned boot = 0; boot < 3; boot++)
            run_guest((unsigned)_i, boot == 0);
        ck_assert(!fake_front_is_left(&front));
        fake_front_leave(&front);
        fake_front_step(&front);
        ck_assert(!vhost_user_backend_busy(&front.backend));
    }
}
END_TEST

Suite *sessions_suite(void);
Suite *sessions_suite(void)
{
    Suite *suite = suite_create("sessions");
    TCase *tcase = tcase_create("whole sessions");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, guests_of_any_front_end_find_play_and_hear, 0, ARRAY_SIZE(fronts));
    suite_add_tcase(suite, tcase);
    return suite;
}

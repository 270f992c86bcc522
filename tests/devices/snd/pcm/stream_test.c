/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of devices/snd/pcm/stream.c: the state machine, SET_PARAMS, and seeded random programs. */
#include "tests/devices/snd/host/probe_host.h"

#include <check.h>
#include <string.h>

/* -- the table of the specification -- */

enum { INIT, PARAMS, PREPARED, RUNNING, STOPPED, RELEASED, NO = -1 };

/* By state; SET_PARAMS, PREPARE, START, STOP, RELEASE. */
static const int table[6][5] = {
    {PARAMS, NO, NO, NO, NO},
    {PARAMS, PREPARED, NO, NO, NO},
    {PARAMS, PREPARED, RUNNING, NO, RELEASED},
    {NO, NO, NO, STOPPED, NO},
    {NO, NO, RUNNING, NO, RELEASED},
    {PARAMS, PREPARED, NO, NO, NO},
};
static const uint32_t codes[5] = {RIG_SET_PARAMS, RIG_PREPARE, RIG_START, RIG_STOP, RIG_RELEASE};

static uint32_t send_command(struct rig *rig, unsigned command, uint32_t stream)
{
    if (codes[command] == RIG_SET_PARAMS)
        return rig_set_params(rig, stream, 4 * 1920, 1920, 2, RIG_S16, RIG_48000);
    return rig_command(rig, codes[command], stream);
}

/* Commands that lead from INIT to each state. */
static void go_to(struct rig *rig, int state)
{
    static const char *const ways[6] = {"", "0", "01", "012", "0123", "014"};

    for (const char *at = ways[state]; *at != '\0'; at++)
        ck_assert_uint_eq(send_command(rig, (unsigned)(*at - '0'), 0), RIG_OK);
    ck_assert_int_eq((int)rig->snd->pcm.streams[0].state, state);
}

/* T9, H4. */
/* proves: SND-42, SND-43, SND-46, SND-52 */
START_TEST(command_is_honoured_exactly_in_its_states)
{
    int state = _i / 5, next = table[_i / 5][_i % 5];
    bool unwinding = state == INIT && codes[_i % 5] >= RIG_RELEASE && codes[_i % 5] != RIG_START;
    struct rig rig;

    rig_start(&rig, "host=null,streams=2");
    go_to(&rig, state);
    uint32_t status = send_command(&rig, (unsigned)_i % 5, 0);
    ck_assert_uint_eq(status, next != NO || unwinding ? RIG_OK : RIG_NOT_SUPP);
    ck_assert_int_eq((int)rig.snd->pcm.streams[0].state, next != NO ? next : state);
    ck_assert_int_eq((int)rig.snd->pcm.streams[1].state, INIT); /* nobody else is touched */
    (void)send_command(&rig, (unsigned)_i % 5, 0);              /* doubled: no worse */
    rig_end(&rig);
}
END_TEST

/* proves: SND-45, SND-53 */
START_TEST(message_is_accepted_exactly_in_its_states)
{
    bool accepts = _i == PREPARED || _i == RUNNING || _i == STOPPED;
    struct rig_done done;
    struct rig rig;

    rig_start(&rig, "host=null");
    go_to(&rig, _i);
    uint16_t head = rig_play(&rig, 0, rig_alloc(&rig, 1920), 1920);
    ck_assert_int_eq(rig_done(&rig, RIG_TX, &done), !accepts);
    if (!accepts) {
        ck_assert_uint_eq(done.head, head);
        ck_assert_uint_eq(done.status, RIG_IO_ERR);
        ck_assert_uint_eq(done.latency_bytes, 0);
        ck_assert_uint_eq(done.used_len, 8);
    }
    rig_end(&rig);
}
END_TEST

/* -- SET_PARAMS (H3, T2, T5) -- */

static const struct {
    uint32_t buffer_bytes, period_bytes, features;
    uint8_t channels, format, rate, padding;
    uint32_t status;
} params[] = {
    {3840, 1920, 0, 2, 5, 7, 0, RIG_OK},
    {1920, 1920, 0, 2, 5, 7, 0, RIG_OK},
    {4, 4, 0, 2, 5, 7, 0, RIG_OK},
    {3840, 1920, 0, 2, 5, 7, 0xff, RIG_OK}, /* SND-36 */
#define PARAMS_BAD 4                        /* from here on */
    /* SND-30, SND-31 */
    {3841, 1920, 0, 2, 5, 7, 0, RIG_BAD_MSG},
    {1920, 3840, 0, 2, 5, 7, 0, RIG_BAD_MSG},
    {0, 1920, 0, 2, 5, 7, 0, RIG_BAD_MSG},
    {1920, 0, 0, 2, 5, 7, 0, RIG_BAD_MSG},
    {0, 0, 0, 2, 5, 7, 0, RIG_BAD_MSG},
    {0xffffffff, 1920, 0, 2, 5, 7, 0, RIG_BAD_MSG},
    /* SND-32 */
    {3840, 1920, 0, 2, 25, 7, 0, RIG_BAD_MSG},
    {3840, 1920, 0, 2, 32, 7, 0, RIG_BAD_MSG},
    {3840, 1920, 0, 2, 64, 7, 0, RIG_BAD_MSG},
    {3840, 1920, 0, 2, 255, 7, 0, RIG_BAD_MSG},
    {3840, 1920, 0, 2, 5, 16, 0, RIG_BAD_MSG},
    {3840, 1920, 0, 2, 5, 64, 0, RIG_BAD_MSG},
    {3840, 1920, 0, 2, 5, 255, 0, RIG_BAD_MSG},
    {3840, 1920, 1 << 5, 2, 5, 7, 0, RIG_BAD_MSG},
    {3840, 1920, 0x80000000, 2, 5, 7, 0, RIG_BAD_MSG},
    {3840, 1920, 0xffffffff, 2, 5, 7, 0, RIG_BAD_MSG},
    /* SND-33 */
    {3840, 1920, 0, 2, 0, 7, 0, RIG_NOT_SUPP},
    {3840, 1920, 0, 2, 4, 7, 0, RIG_NOT_SUPP},
    {3840, 1920, 0, 2, 24, 7, 0, RIG_NOT_SUPP},
    {3840, 1920, 0, 2, 5, 0, 0, RIG_NOT_SUPP},
    {3840, 1920, 0, 2, 5, 15, 0, RIG_NOT_SUPP},
    {3840, 1920, 1 << 2, 2, 5, 7, 0, RIG_NOT_SUPP}, /* message polling: SND-41 */
    {3840, 1920, 1 << 3, 2, 5, 7, 0, RIG_NOT_SUPP},
    /* SND-34 */
    {3840, 1920, 0, 0, 5, 7, 0, RIG_NOT_SUPP},
    {3840, 1920, 0, 3, 5, 7, 0, RIG_NOT_SUPP},
    {3840, 1920, 0, 255, 5, 7, 0, RIG_NOT_SUPP},
    /* SND-35 */
    {3840, 1920, 1, 2, 5, 7, 0, RIG_NOT_SUPP},
    {3840, 1920, 2, 2, 5, 7, 0, RIG_NOT_SUPP},
    {3840, 1920, 3, 2, 5, 7, 0, RIG_NOT_SUPP},
    /* SND-37 */
    {3842, 1921, 0, 2, 5, 7, 0, RIG_NOT_SUPP},
    {3844, 1922, 0, 2, 5, 7, 0, RIG_NOT_SUPP},
    {2, 1, 0, 1, 5, 7, 0, RIG_NOT_SUPP},
    /* SND-38 */
    {0xfffffffc, 4, 0, 2, 5, 7, 0, RIG_NOT_SUPP},
    {0x80000000, 0x80000000, 0, 2, 5, 7, 0, RIG_NOT_SUPP},
};

static uint32_t send_params(struct rig *rig, int at)
{
    const struct {
        le32 code, stream, buffer_bytes, period_bytes, features;
        uint8_t channels, format, rate, padding;
    } request = {to_le32(RIG_SET_PARAMS),
                 to_le32(0),
                 to_le32(params[at].buffer_bytes),
                 to_le32(params[at].period_bytes),
                 to_le32(params[at].features),
                 params[at].channels,
                 params[at].format,
                 params[at].rate,
                 params[at].padding};

    return rig_control(rig, &request, sizeof(request), NULL, 4, NULL);
}

/* proves: SND-30, SND-31, SND-32, SND-33, SND-34, SND-35, SND-36, SND-37, SND-38, SND-41 */
START_TEST(params_are_checked)
{
    struct rig rig;

    rig_start(&rig, "host=null");
    ck_assert_uint_eq(send_params(&rig, _i), params[_i].status);
    ck_assert_int_eq((int)rig.snd->pcm.streams[0].state,
                     params[_i].status == RIG_OK ? PARAMS : INIT);
    rig_end(&rig);
}
END_TEST

/* proves: SND-39 */
START_TEST(failing_set_params_changes_nothing)
{
    struct rig_done done;
    struct rig rig;

    ck_assert_uint_ne(params[_i].status, RIG_OK);
    rig_start(&rig, "host=null");
    rig_prepare(&rig, 0);
    uint16_t head = rig_play(&rig, 0, rig_alloc(&rig, 1920), 1920);
    ck_assert_uint_eq(send_params(&rig, _i), params[_i].status);
    ck_assert(!rig_done(&rig, RIG_TX, &done));
    ck_assert_uint_eq(rig_command(&rig, RIG_START, 0), RIG_OK);
    rig_advance(&rig, 10 * RIG_MS);
    ck_assert(rig_done(&rig, RIG_TX, &done));
    ck_assert_uint_eq(done.head, head);
    ck_assert_uint_eq(done.status, RIG_OK);
    rig_end(&rig);
}
END_TEST

/* proves: SND-32 */
START_TEST(every_format_and_rate_code_is_answered)
{
    struct rig rig;

    rig_start(&rig, "host=null,formats=S16,rates=48000");
    for (unsigned format = 0; format < 256; format++) {
        for (unsigned rate = 0; rate < 256; rate += format == 5 ? 1 : 51) {
            uint32_t want = format > 24 || rate > 15   ? RIG_BAD_MSG
                            : format == 5 && rate == 7 ? RIG_OK
                                                       : RIG_NOT_SUPP;
            ck_assert_uint_eq(
                rig_set_params(&rig, 0, 3840, 1920, 2, (uint8_t)format, (uint8_t)rate), want);
        }
    }
    rig_end(&rig);
}
END_TEST

/* -- what commands do to messages -- */

/* proves: SND-40, SND-44 */
START_TEST(prepare_and_set_params_throw_held_messages_away)
{
    struct rig_done done;
    struct rig rig;

    rig_start(&rig, "host=null");
    rig_prepare(&rig, 0);
    for (unsigned i = 0; i < 3; i++)
        (void)rig_play(&rig, 0, rig_alloc(&rig, 1920), 1920);
    ck_assert_uint_eq(send_command(&rig, (unsigned)_i, 0), RIG_OK);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert(rig_done(&rig, RIG_TX, &done));
        ck_assert_uint_eq(done.status, RIG_IO_ERR);
    }
    ck_assert(!rig_done(&rig, RIG_TX, &done));
    rig_end(&rig);
}
END_TEST

/* proves: SND-48, SND-49, SND-50 */
START_TEST(release_gives_every_message_back_before_its_answer)
{
    const le32 request[] = {to_le32(RIG_RELEASE), to_le32(0)};
    struct rig_done done;
    struct rig rig;
    uint32_t id, used;

    rig_start(&rig, "host=null");
    rig_prepare(&rig, 0);
    ck_assert_uint_eq(rig_command(&rig, RIG_START, 0), RIG_OK);
    for (unsigned i = 0; i < 4; i++)
        (void)rig_play(&rig, 0, rig_alloc(&rig, 1920), 1920);
    rig_advance(&rig, 15 * RIG_MS);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 1);
    ck_assert_uint_eq(rig_command(&rig, RIG_STOP, 0), RIG_OK);

    /* One message more, which the device has not seen when RELEASE comes: the rings have no
     * order, so it looks into tx first. Control is served before tx here. */
    gpa_t header = rig_alloc(&rig, 4), status = rig_alloc(&rig, 8), data = rig_alloc(&rig, 1920);
    const struct fake_piece late[] = {{header, 4, 0}, {data, 1920, 0}, {status, 8, FAKE_WRITE}};
    uint16_t head = fake_chain(&rig.drv.ring[RIG_TX], late, 3);
    rig.status_of[RIG_TX][head] = status;
    fake_offer(&rig.drv.ring[RIG_TX], head);
    gpa_t in = rig_alloc(&rig, 8), out = rig_alloc(&rig, 4);
    ck_assert_int_eq(memory_write(&rig.mem, in, request, 8), 0);
    const struct fake_piece release[] = {{in, 8, 0}, {out, 4, FAKE_WRITE}};
    (void)rig_send(&rig, RIG_CONTROL, release, 2);
    ck_assert(fake_used(&rig.drv.ring[RIG_CONTROL], &id, &used));
    ck_assert_uint_eq(rig_load32(&rig, out), RIG_OK);
    for (unsigned i = 0; i < 4; i++) {
        ck_assert(rig_done(&rig, RIG_TX, &done));
        ck_assert_uint_eq(done.status, RIG_OK);
        ck_assert_uint_eq(done.latency_bytes, 0);
    }
    ck_assert_uint_eq(done.head, head);
    ck_assert(!rig_done(&rig, RIG_TX, &done));
    rig_end(&rig);
}
END_TEST

/* T10. */
/* proves: SND-93 */
START_TEST(device_reset_forgets_messages_and_states)
{
    struct rig rig;

    rig_start(&rig, "host=null,streams=2");
    rig_prepare(&rig, 0);
    rig_prepare(&rig, 1);
    ck_assert_uint_eq(rig_command(&rig, RIG_START, 0), RIG_OK);
    for (unsigned i = 0; i < 4; i++)
        (void)rig_play(&rig, i % 2, rig_alloc(&rig, 1920), 1920);
    struct fake_ring old = rig.drv.ring[RIG_TX];
    fake_write(&rig.drv, FAKE_STATUS, 0);
    ck_assert_uint_eq(fake_read(&rig.drv, FAKE_STATUS), 0);
    ck_assert_uint_eq(rig_next_alarm(&rig), UINT64_MAX);
    ck_assert_uint_eq(fake_used_idx(&old), 0); /* nothing was completed */
    rig_restart(&rig);
    for (uint32_t stream = 0; stream < 2; stream++) {
        ck_assert_int_eq((int)rig.snd->pcm.streams[stream].state, INIT);
        ck_assert_uint_eq(rig_command(&rig, RIG_START, stream), RIG_NOT_SUPP);
        ck_assert_uint_eq(rig_command(&rig, RIG_RELEASE, stream), RIG_OK);
    }
    rig_advance(&rig, 1000 * RIG_MS);
    ck_assert_uint_eq(fake_used_idx(&rig.drv.ring[RIG_TX]), 0); /* nor after it */
    rig_prepare(&rig, 0); /* and it works again, with all its message slots */
    ck_assert_uint_eq(rig_command(&rig, RIG_START, 0), RIG_OK);
    for (unsigned i = 0; i < 80; i++)
        (void)rig_play(&rig, 0, rig_alloc(&rig, 1920), 1920);
    rig_advance(&rig, 800 * RIG_MS);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 80);
    rig_end(&rig);
}
END_TEST

/* H8: resets while playing, without a moment's rest. */
START_TEST(storm_of_resets_does_no_harm)
{
    struct rig rig;

    rig_start(&rig, "host=null");
    for (unsigned i = 0; i < 300; i++) {
        rig_prepare(&rig, 0);
        (void)rig_play(&rig, 0, rig_alloc(&rig, 1920), 1920);
        (void)rig_play(&rig, 0, rig_alloc(&rig, 1920), 1920);
        ck_assert_uint_eq(rig_command(&rig, RIG_START, 0), RIG_OK);
        rig_advance(&rig, i % 8 * RIG_MS); /* nothing is completed: 600 messages in all */
        rig_restart(&rig);
    }
    rig_end(&rig);
}
END_TEST

/* H10: START and STOP without a moment's rest, and kicks for nothing: each frame is played once. */
START_TEST(storm_of_pauses_loses_no_frame)
{
    struct rig rig;
    struct probe probe;
    le32 frames[480];
    uint32_t sent = 0, held = 0;

    rig_start(&rig, "host=null");
    probe_install(&probe, &rig, 0, false);
    rig_prepare(&rig, 0);
    for (unsigned i = 0; i < 4000; i++) {
        for (; held < 4; held++) {
            gpa_t data = rig_alloc(&rig, sizeof(frames));
            for (unsigned k = 0; k < 480; k++)
                frames[k] = to_le32(sent++);
            ck_assert_int_eq(memory_write(&rig.mem, data, frames, sizeof(frames)), 0);
            (void)rig_play(&rig, 0, data, sizeof(frames));
        }
        ck_assert_uint_eq(rig_command(&rig, RIG_START, 0), RIG_OK);
        fake_write(&rig.drv, FAKE_QUEUE_NOTIFY, RIG_TX);
        rig_advance(&rig, i % 3 * RIG_MS / 2);
        ck_assert_uint_eq(rig_command(&rig, RIG_STOP, 0), RIG_OK);
        held -= rig_done_count(&rig, RIG_TX);
    }
    ck_assert_uint_eq(rig.snd->pcm.streams[0].counts.xruns, 0);
    ck_assert_uint_ge(probe.got_frames, 90000); /* of 2 s; less than a frame of time a pause */
    for (uint32_t k = 0; k < probe.got_frames; k++) {
        memcpy(frames, probe.got + 4 * (size_t)k, 4);
        ck_assert_uint_eq(from_le32(frames[0]), k);
    }
    rig_end(&rig);
    probe_fini(&probe);
}
END_TEST

/* -- random programs against a naive model -- */

#define MODEL_STREAMS 3

struct model {
    int state[MODEL_STREAMS];
    unsigned held[MODEL_STREAMS];
    uint16_t first[MODEL_STREAMS][512];                    /* heads held, in order */
    uint64_t ran_ns[MODEL_STREAMS], played[MODEL_STREAMS]; /* since PREPARE */
};

static uint32_t random_next(uint32_t *x)
{
    *x = *x * 1664525 + 1013904223;
    return *x >> 8;
}

/* Takes a completion off the model, wherever it belongs. */
static void model_complete(struct model *model, const struct rig_done *done, bool by_time)
{
    for (unsigned s = 0; s < MODEL_STREAMS; s++) {
        if (model->held[s] == 0 || model->first[s][0] != done->head)
            continue;
        model->held[s]--;
        memmove(&model->first[s][0], &model->first[s][1], model->held[s] * sizeof(uint16_t));
        if (by_time) {
            ck_assert_int_eq(model->state[s], RUNNING);
            ck_assert_uint_eq(done->status, RIG_OK);
            model->played[s]++;
            /* Never before its time: a period is 10 ms. */
            ck_assert_uint_le(model->played[s] * 10 * RIG_MS, model->ran_ns[s] + 1 * RIG_MS);
        }
        return;
    }
    ck_abort_msg("completed a message out of order, or twice");
}

static void model_command(struct rig *rig, struct model *model, unsigned s, unsigned command)
{
    int next = table[model->state[s]][command];
    bool unwinding = model->state[s] == INIT && command >= 3;
    unsigned thrown = 0;
    struct rig_done done;

    uint32_t status = send_command(rig, command, s);
    ck_assert_uint_eq(status, next != NO || unwinding ? RIG_OK : RIG_NOT_SUPP);
    if (next == NO)
        return;
    if (next == PARAMS || next == PREPARED || next == RELEASED)
        thrown = model->held[s];
    for (unsigned i = 0; i < thrown; i++) {
        ck_assert(rig_done(rig, RIG_TX, &done));
        ck_assert_uint_eq(done.status, next == RELEASED ? RIG_OK : RIG_IO_ERR);
        model_complete(model, &done, false);
    }
    if (next == PREPARED)
        model->ran_ns[s] = model->played[s] = 0;
    model->state[s] = next;
}

static void model_play(struct rig *rig, struct model *model, unsigned s)
{
    struct rig_done done;
    bool accepts =
        model->state[s] == PREPARED || model->state[s] == RUNNING || model->state[s] == STOPPED;

    if (model->held[s] >= 16)
        return;
    uint16_t head = rig_play(rig, s, rig_alloc(rig, 1920), 1920);
    if (accepts) {
        model->first[s][model->held[s]++] = head;
    } else {
        ck_assert(rig_done(rig, RIG_TX, &done));
        ck_assert_uint_eq(done.head, head);
        ck_assert_uint_eq(done.status, RIG_IO_ERR);
    }
}

static void model_wait(struct rig *rig, struct model *model, uint64_t ns)
{
    struct rig_done done;

    for (unsigned s = 0; s < MODEL_STREAMS; s++)
        if (model->state[s] == RUNNING)
            model->ran_ns[s] += ns;
    rig_advance(rig, ns);
    while (rig_done(rig, RIG_TX, &done))
        model_complete(model, &done, true);
}

/* proves: SND-42, SND-47, SND-48, SND-58, SND-59, SND-60 */
START_TEST(random_program_does_as_the_model_does)
{
    uint32_t x = (uint32_t)_i * 7919 + 1;
    struct model model = {0};
    struct rig rig;

    rig_start(&rig, "host=null,streams=3");
    for (unsigned step = 0; step < 1500; step++) {
        uint32_t dice = random_next(&x) % 100;
        unsigned s = random_next(&x) % MODEL_STREAMS;
        if (dice < 30)
            model_command(&rig, &model, s, random_next(&x) % 5);
        else if (dice < 80)
            model_play(&rig, &model, s);
        else
            model_wait(&rig, &model, random_next(&x) % (40 * RIG_MS));
        for (s = 0; s < MODEL_STREAMS; s++)
            ck_assert_int_eq((int)rig.snd->pcm.streams[s].state, model.state[s]);
    }
    rig_end(&rig);
}
END_TEST

Suite *stream_suite(void);
Suite *stream_suite(void)
{
    Suite *suite = suite_create("snd/stream");
    TCase *states = tcase_create("states");
    TCase *set = tcase_create("set_params");
    TCase *flush = tcase_create("flush");
    TCase *programs = tcase_create("programs");

    tcase_add_loop_test(states, command_is_honoured_exactly_in_its_states, 0, 30);
    tcase_add_loop_test(states, message_is_accepted_exactly_in_its_states, 0, 6);
    tcase_add_loop_test(set, params_are_checked, 0, ARRAY_SIZE(params));
    tcase_add_loop_test(set, failing_set_params_changes_nothing, PARAMS_BAD, ARRAY_SIZE(params));
    tcase_add_test(set, every_format_and_rate_code_is_answered);
    tcase_add_loop_test(flush, prepare_and_set_params_throw_held_messages_away, 0, 2);
    tcase_add_test(flush, release_gives_every_message_back_before_its_answer);
    tcase_add_test(flush, device_reset_forgets_messages_and_states);
    tcase_add_test(flush, storm_of_resets_does_no_harm);
    tcase_add_test(flush, storm_of_pauses_loses_no_frame);
    tcase_add_loop_test(programs, random_program_does_as_the_model_does, 0, 20);
    suite_add_tcase(suite, states);
    suite_add_tcase(suite, set);
    suite_add_tcase(suite, flush);
    suite_add_tcase(suite, programs);
    return suite;
}

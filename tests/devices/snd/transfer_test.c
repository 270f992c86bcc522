/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of devices/snd/transfer.c: playback messages in simulated time. */
#include "tests/devices/snd/sound_rig.h"

#include <check.h>

/* proves: SND-45, SND-57, SND-61, SND-62 */
START_TEST(period_completes_at_its_own_deadline)
{
    struct rig rig;
    struct rig_done done;

    rig_start(&rig, "host=null");
    rig_prepare(&rig, 0);
    gpa_t data = rig_alloc(&rig, 1920);
    uint16_t first = rig_play(&rig, 0, data, 1920);
    uint16_t second = rig_play(&rig, 0, data, 1920);
    rig_advance(&rig, 100 * RIG_MS);
    ck_assert(!rig_done(&rig, RIG_TX, &done)); /* not started */

    ck_assert_uint_eq(rig_command(&rig, RIG_START, 0), RIG_OK);
    rig_advance(&rig, 10 * RIG_MS - 1);
    ck_assert(!rig_done(&rig, RIG_TX, &done));
    rig_advance(&rig, 1);
    ck_assert(rig_done(&rig, RIG_TX, &done));
    ck_assert_uint_eq(done.head, first);
    ck_assert_uint_eq(done.status, RIG_OK);
    ck_assert_uint_eq(done.latency_bytes, 0);
    ck_assert_uint_eq(done.used_len, 8);
    rig_advance(&rig, 10 * RIG_MS - 1);
    ck_assert(!rig_done(&rig, RIG_TX, &done));
    rig_advance(&rig, 1);
    ck_assert(rig_done(&rig, RIG_TX, &done));
    ck_assert_uint_eq(done.head, second);
    rig_end(&rig);
}
END_TEST

Suite *transfer_suite(void);
Suite *transfer_suite(void)
{
    Suite *suite = suite_create("snd/transfer");
    TCase *playback = tcase_create("playback");

    tcase_add_test(playback, period_completes_at_its_own_deadline);
    suite_add_tcase(suite, playback);
    return suite;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* See ear.h. Formats that are no numbers (DSD, IEC 958, companded) are not heard. */
#include "devices/snd/hear/ear.h"

#include "vmm/base/log.h"

int ear_init(struct ear *ear, const char *name, const char *expect)
{
    char why[EXPECT_LINE_SIZE];

    ear->name = name;
    if (expect == NULL)
        return 0;
    if (expect_parse(expect, &ear->expect, why) < 0)
        return log_error(0, "--snd expect: %s", why), -EINVAL;
    ear->judges = true;
    return 0;
}

void ear_fini(struct ear *ear)
{
    listener_destroy(ear->listener);
    ear->listener = NULL;
}

/* Judges what was heard up to now and forgets it. */
static void judge_one(struct ear *ear)
{
    struct listener_report report;
    char line[EXPECT_LINE_SIZE];

    if (ear->listener == NULL)
        return;
    listener_report(ear->listener, &report);
    ear->judged++;
    if (ear->judges && !expect_judge(&ear->expect, &report, line)) {
        (void)log_error(0, "%s: %s", ear->name, line);
        ear->failed++;
    }
    ear_fini(ear);
}

void ear_tune(struct ear *ear, const struct pcm_params *params)
{
    if (ear->params.format != params->format || ear->params.rate_hz != params->rate_hz ||
        ear->params.channels != params->channels)
        judge_one(ear);
    ear->params = *params;
}

/* Hears samples that are integers, a block at a time. */
static void hear_integers(struct ear *ear, const uint8_t *bytes, size_t samples)
{
    const size_t channels = ear->params.channels;
    int32_t numbers[1024];
    double block[1024];

    while (samples > 0) {
        size_t count = MIN(samples, ARRAY_SIZE(block) - ARRAY_SIZE(block) % channels);
        pcm_to_s32(ear->params.format, bytes, numbers, count);
        for (size_t i = 0; i < count; i++)
            block[i] = numbers[i] * 0x1p-31;
        listener_feed(ear->listener, block, count / channels);
        bytes += count * ear->params.format->sample_bytes;
        samples -= count;
    }
}

void ear_hear(struct ear *ear, const void *frames, size_t count)
{
    const struct pcm_format *format = ear->params.format;

    if ((!ear->judges && !ear->reports) || format->kind == PCM_KIND_OPAQUE)
        return;
    if (ear->listener == NULL &&
        listener_create(ear->params.rate_hz, ear->params.channels, &ear->listener) < 0) {
        (void)log_error(-ENOMEM, "%s: nothing is heard, so nothing can be as expected", ear->name);
        ear->failed++;
        ear->judged++;
        ear->judges = ear->reports = false;
        return;
    }
    if (ear->reports)
        listener_hash(ear->listener, frames, count * ear->params.frame_bytes);
    if (format->kind != PCM_KIND_FLOAT)
        hear_integers(ear, frames, count * ear->params.channels);
    else if (format->sample_bytes == 4)
        listener_feed_float(ear->listener, frames, count);
    else
        listener_feed(ear->listener, frames, count);
}

bool ear_report(struct ear *ear, struct listener_report *ret_report)
{
    if (ear->listener == NULL)
        return false;
    listener_report(ear->listener, ret_report);
    return true;
}

int ear_judge(struct ear *ear)
{
    judge_one(ear);
    return ear->failed > 0 ? -EPROTO : 0;
}

int ear_judge_nothing(struct ear *ear)
{
    if (!ear->judges)
        return 0;
    if (listener_create(48000, 1, &ear->listener) < 0)
        return log_error(-ENOMEM, "%s", ear->name);
    return ear_judge(ear);
}

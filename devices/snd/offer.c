/* SPDX-License-Identifier: BSD-3-Clause */
/* See offer.h. */
#include "devices/snd/offer.h"

#include "devices/snd/base/format.h"
#include "devices/snd/base/wire.h"
#include "vmm/config/opts.h"

#include <string.h>

/* A decimal number of up to 9 digits that is all of text[0..len). */
static int number_parse(const char *text, size_t len, uint32_t *ret_number)
{
    if (len == 0 || len > 9 || strspn(text, "0123456789") < len)
        return -EINVAL;
    *ret_number = (uint32_t)strtoul(text, NULL, 10);
    return 0;
}

static int format_code(const char *word, size_t len)
{
    const struct pcm_format *format = pcm_format_by_name(word, len);

    return format != NULL ? format->code : -ENOENT;
}

static int rate_code(const char *word, size_t len)
{
    uint32_t rate_hz;
    int r = number_parse(word, len, &rate_hz);

    return r < 0 ? r : pcm_rate_by_hz(rate_hz);
}

/* Reads option `key`: words joined by '+', or "all". `wants` says what the words are. */
static int set_parse(const struct opts *opts, const char *key, const char *wants,
                     int (*code_of)(const char *, size_t), uint64_t all, uint64_t *ret_set)
{
    const char *text = opts_str(opts, key);
    uint64_t set = 0;

    if (strcmp(text, "all") == 0) {
        *ret_set = all;
        return 0;
    }
    for (;;) {
        size_t len = strcspn(text, "+");
        int code = code_of(text, len);
        if (code < 0)
            return opts_error("--snd %s: '%.*s' is not known; give 'all', or %s joined by '+'", key,
                              (int)MIN(len, 40u), text, wants);
        set |= 1ull << code;
        if (text[len] == '\0')
            break;
        text += len + 1;
    }
    *ret_set = set;
    return 0;
}

/* "2" or "1-8". */
static int range_parse(const char *text, uint32_t *ret_min, uint32_t *ret_max)
{
    size_t len = strcspn(text, "-");
    const char *last = text[len] == '-' ? text + len + 1 : text;
    uint32_t min, max;

    if (number_parse(text, len, &min) < 0 || number_parse(last, strlen(last), &max) < 0 ||
        min < 1 || min > max || max > WIRE_CHANNELS_MAX)
        return opts_error("--snd channels: give a number or a range within 1-%d, like 1-2",
                          WIRE_CHANNELS_MAX);
    *ret_min = min;
    *ret_max = max;
    return 0;
}

int offer_parse(const struct opts *opts, struct offer *ret_offer)
{
    struct offer offer;

    int r = set_parse(opts, "formats", "U8 S16 S24 S32 FLOAT and other formats of virtio-snd",
                      format_code, pcm_formats(false), &offer.formats);

    if (r == 0)
        r = set_parse(opts, "rates", "rates of virtio-snd, 5512 to 384000", rate_code,
                      (1u << PCM_RATE_COUNT) - 1, &offer.rates);
    if (r == 0)
        r = range_parse(opts_str(opts, "channels"), &offer.channels_min, &offer.channels_max);
    if (r == 0)
        *ret_offer = offer;
    return r;
}

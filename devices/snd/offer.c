/* SPDX-License-Identifier: BSD-3-Clause */
/* See offer.h. */
#include "devices/snd/offer.h"

#include "devices/snd/base/format.h"
#include "devices/snd/base/wire.h"
#include "vmm/base/text.h"
#include "vmm/config/opts.h"

#include <string.h>

static const struct opt number_row = {.name = "number", .type = OPT_INT, .max = UINT32_MAX};

static int format_code(const char *word)
{
    const struct pcm_format *format = pcm_format_by_name(word);

    return format != NULL ? format->code : -ENOENT;
}

static int rate_code(const char *word)
{
    uint64_t rate_hz;
    int r = opt_number_parse(&number_row, word, &rate_hz);

    return r < 0 ? r : pcm_rate_by_hz((uint32_t)rate_hz);
}

/* Reads option `key`: words joined by '+', or "all". `wants` says what the words are. */
static int set_parse(const struct opts *opts, const char *key, const char *wants,
                     int (*code_of)(const char *word), uint64_t all, uint64_t *ret_set)
{
    const char *text = opts_str(opts, key);
    char word[TEXT_WORD_SIZE];

    *ret_set = all;
    if (strcmp(text, "all") == 0)
        return 0;
    for (*ret_set = 0; text_word(&text, '+', word);) {
        int code = code_of(word);
        if (code < 0)
            return opts_error("--snd %s: '%s' is not known; give 'all', or %s joined by '+'", key,
                              word, wants);
        *ret_set |= 1ull << code;
    }
    return 0;
}

/* "2" or "1-8". */
static int range_parse(const char *text, uint32_t *ret_min, uint32_t *ret_max)
{
    char first[TEXT_WORD_SIZE], last[TEXT_WORD_SIZE];
    uint64_t min, max;

    (void)text_word(&text, '-', first);
    if (!text_word(&text, '-', last))
        (void)strcpy(last, first);
    if (text != NULL || opt_number_parse(&number_row, first, &min) < 0 ||
        opt_number_parse(&number_row, last, &max) < 0 || min < 1 || min > max ||
        max > WIRE_CHANNELS_MAX)
        return opts_error("--snd channels: give a number or a range within 1-%d, like 1-2",
                          WIRE_CHANNELS_MAX);
    *ret_min = (uint32_t)min;
    *ret_max = (uint32_t)max;
    return 0;
}

int offer_parse(const struct opts *opts, struct host_caps *ret_offer)
{
    int r = set_parse(opts, "formats", "U8 S16 S24 S32 FLOAT and other formats of virtio-snd",
                      format_code, pcm_formats(), &ret_offer->formats);

    if (r == 0)
        r = set_parse(opts, "rates", "rates of virtio-snd, 5512 to 384000", rate_code,
                      (1u << PCM_RATE_COUNT) - 1, &ret_offer->rates);
    if (r == 0)
        r = range_parse(opts_str(opts, "channels"), &ret_offer->channels_min,
                        &ret_offer->channels_max);
    return r;
}

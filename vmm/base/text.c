/* SPDX-License-Identifier: BSD-3-Clause */
/* See text.h. */
#include "vmm/base/text.h"

#include <ctype.h>
#include <string.h>

/* Longest word for which a nearest one is searched: bounds the work, and what is longer is no typo.
 */
#define NEAREST_BYTES_MAX 40

/* Length of the UTF-8 character at text[0..len), or 0 if none is there. RFC 3629 §4. */
static size_t utf8_len(const unsigned char *text, size_t len)
{
    static const struct {
        uint8_t first_min, first_max, second_min, second_max;
        size_t len;
    } forms[] = {
        {0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };

    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        if (text[0] < forms[i].first_min || text[0] > forms[i].first_max)
            continue;
        if (forms[i].len > len)
            return 0;
        if (forms[i].len > 1 && (text[1] < forms[i].second_min || text[1] > forms[i].second_max))
            return 0;
        for (size_t k = 2; k < forms[i].len; k++)
            if ((text[k] & 0xc0) != 0x80)
                return 0;
        return forms[i].len;
    }
    return 0;
}

/* A character of C0, DEL or C1 (U+0080 ... U+009F, in UTF-8 c2 80 ... c2 9f). */
static bool is_control(const unsigned char *text, size_t len)
{
    if (len == 1)
        return text[0] < 0x20 || text[0] == 0x7f;
    return len == 2 && text[0] == 0xc2 && text[1] < 0xa0;
}

size_t text_clean_char(const char *text, size_t len)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t step = utf8_len(at, len);

    return step == 0 || is_control(at, step) ? 0 : step;
}

bool text_is_clean(const char *text, size_t len)
{
    while (len > 0) {
        size_t step = text_clean_char(text, len);
        if (step == 0)
            return false;
        text += step;
        len -= step;
    }
    return true;
}

const char *text_quote(char buf[TEXT_QUOTE_SIZE], const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t left = strlen(text), len = 0, step;
    char *out = buf;

    *out++ = '"';
    for (; left > 0; at += step, left -= step) {
        size_t whole = utf8_len(at, left);
        bool clean = whole > 0 && !is_control(at, whole);
        step = MAX(whole, (size_t)1);
        if (len + step > TEXT_QUOTE_BYTES_MAX)
            break;
        memcpy(out + len, clean ? (const char *)at : "????", step);
        len += step;
    }
    (void)strcpy(out + len, left > 0 ? "...\"" : "\"");
    return buf;
}

static int fold(char c)
{
    return c == '_' ? '-' : tolower((unsigned char)c);
}

bool text_word(const char **text, char separator, char ret_word[TEXT_WORD_SIZE])
{
    const char *word = *text, *end = word != NULL ? strchrnul(word, separator) : NULL;

    if (word == NULL)
        return false;
    size_t len = MIN((size_t)(end - word), (size_t)TEXT_WORD_SIZE - 1);
    memcpy(ret_word, word, len);
    ret_word[len] = '\0';
    *text = *end != '\0' ? end + 1 : NULL;
    return true;
}

/*
 * Letters to change, add, drop or swap with their neighbour to turn a into b (optimal string
 * alignment). Three rows of the usual table: the row before last is needed for swaps.
 */
static size_t distance(const char *a, const char *b)
{
    size_t rows[3][NEAREST_BYTES_MAX + 1];
    size_t b_len = strlen(b);
    size_t *last2 = rows[0], *last = rows[1], *row = rows[2];

    for (size_t j = 0; j <= b_len; j++)
        row[j] = last2[j] = j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t *oldest = last2;
        last2 = last;
        last = row;
        row = oldest;
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t change = last[j - 1] + (fold(a[i - 1]) != fold(b[j - 1]));
            size_t drop_or_add = MIN(last[j], row[j - 1]) + 1;
            row[j] = MIN(change, drop_or_add);
            if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) &&
                fold(a[i - 2]) == fold(b[j - 1]))
                row[j] = MIN(row[j], last2[j - 2] + 1);
        }
    }
    return row[b_len];
}

void text_nearest_init(struct text_nearest *nearest, const char *word)
{
    size_t len = strlen(word);
    size_t wrong_max = len < 3 ? 1 : MIN(len / 3, (size_t)3); /* a third of the letters */

    *nearest = (struct text_nearest){.word = word, .distance = wrong_max + 1};
    if (len == 0 || len > NEAREST_BYTES_MAX)
        nearest->distance = 0;
}

static bool is_shorter(const char *word, const char *other)
{
    return other != NULL && strlen(word) < strlen(other);
}

void text_nearest_offer(struct text_nearest *nearest, const char *known)
{
    size_t far;

    if (nearest->distance == 0 || strlen(known) > NEAREST_BYTES_MAX)
        return;
    far = distance(nearest->word, known);
    if (far > 1 && strncmp(nearest->word, known, strlen(nearest->word)) == 0)
        far = 1;
    if (far > nearest->distance || (far == nearest->distance && !is_shorter(known, nearest->best)))
        return; /* of those equally far the shortest, of these the first */
    nearest->distance = far;
    nearest->best = known;
}

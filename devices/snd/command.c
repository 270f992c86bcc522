/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What people and programs on the host may ask of a sound card while it is in use:
 *
 *   jack                           which there are, and whether they are plugged
 *   jack WHICH plug|unplug
 *   ctl                            the control elements with their values
 *   ctl WHICH                      one of them
 *   ctl WHICH VALUE[,VALUE...]     the last counts for the values that are left
 *
 * WHICH is a number or a name. On the worker, or on whoever owns the device while it is inactive.
 */
#include "devices/snd/card.h"
#include "devices/snd/mixer/ctl_host.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static size_t count_words(const char *const words[])
{
    size_t count = 0;

    while (words[count] != NULL)
        count++;
    return count;
}

static const char *jack_name(const struct snd *snd, unsigned id)
{
    return snd->jacks.item[id].name;
}

static const char *control_name(const struct snd *snd, unsigned id)
{
    return (const char *)snd->ctls.item[id].info.head.name;
}

/* The number of what is meant by a name or a number; -ENOENT if there is none of `count`. */
static int find(const struct snd *snd, const char *word, unsigned count,
                const char *(*name_of)(const struct snd *, unsigned))
{
    char number[16];

    for (unsigned id = 0; id < count; id++) {
        (void)snprintf(number, sizeof(number), "%u", id);
        if (strcmp(word, number) == 0 || strcmp(word, name_of(snd, id)) == 0)
            return (int)id;
    }
    return -ENOENT;
}

/* -- jacks -- */

static int serve_jack(struct snd *snd, const char *const words[], FILE *reply)
{
    if (count_words(words) == 1) {
        for (unsigned i = 0; i < snd->jacks.count; i++)
            (void)fprintf(reply, "%u %s %s\n", i, snd->jacks.item[i].name,
                          snd->jacks.item[i].info.connected ? "plugged" : "unplugged");
        return 0;
    }
    if (count_words(words) != 3 ||
        (strcmp(words[2], "plug") != 0 && strcmp(words[2], "unplug") != 0))
        return virtio_refuse(reply, -EINVAL, "say jack WHICH plug, or jack WHICH unplug");
    int id = find(snd, words[1], snd->jacks.count, jack_name);
    if (id < 0)
        return virtio_refuse(reply, id, "there is no jack '%s'; there are %u (--snd jacks=)",
                             words[1], snd->jacks.count);
    jack_plug(&snd->jacks, (unsigned)id, strcmp(words[2], "plug") == 0);
    return 0;
}

/* -- values as text -- */

/* The word for a number, if the element has words. */
static const char *word_for(const struct ctl *ctl, int64_t number)
{
    if (!ctl_allows(ctl, number)) /* a card may tell anything */
        return NULL;
    if (ctl_type(ctl) == WIRE_CTL_BOOLEAN)
        return number != 0 ? "on" : "off";
    return ctl_type(ctl) == WIRE_CTL_ENUMERATED ? ctl->items[number] : NULL;
}

static void value_print(const struct ctl *ctl, FILE *out)
{
    for (uint32_t i = 0; i < ctl_count(ctl); i++) {
        int64_t number = (int32_t)from_le32(ctl->value.number[i]);
        const char *word = word_for(ctl, number);
        if (i > 0)
            (void)fputc(',', out);
        if (word != NULL)
            (void)fputs(word, out);
        else
            (void)fprintf(out, "%" PRId64, number);
    }
}

/* A whole number that is all of text: 0 or -EINVAL. */
static int number_parse(const char *text, int64_t *ret_number)
{
    char *end;

    if (strspn(text, "-0123456789xabcdefABCDEF") != strlen(text))
        return -EINVAL;
    errno = 0;
    long long number = strtoll(text, &end, 0);
    if (errno != 0 || end == text || *end != '\0')
        return -EINVAL;
    *ret_number = number;
    return 0;
}

/* "50%": of the way from the least to the largest value, rounded to a step. */
static int percent_parse(const struct ctl *ctl, const char *text, int64_t *ret_number)
{
    struct ctl_range range = ctl_range(ctl);
    int64_t step = MAX(range.step, 1);
    unsigned percent;
    int len = 0;

    if (ctl_type(ctl) != WIRE_CTL_INTEGER || sscanf(text, "%3u%%%n", &percent, &len) != 1 ||
        len == 0 || text[len] != '\0' || percent > 100)
        return -EINVAL;
    *ret_number = range.min + ((range.max - range.min) * percent + 50 * step) / (100 * step) * step;
    return 0;
}

/* A word in the language of its element. */
static int word_parse(const struct ctl *ctl, const char *word, int64_t *ret_number)
{
    struct ctl_range range = ctl_range(ctl);

    for (int64_t i = range.min; i <= range.max && word_for(ctl, i) != NULL; i++) {
        if (strcasecmp(word, word_for(ctl, i)) == 0) {
            *ret_number = i;
            return 0;
        }
    }
    return percent_parse(ctl, word, ret_number) == 0 ? 0 : number_parse(word, ret_number);
}

/* "VALUE,VALUE,...": 0, -EINVAL for what is no value, -ERANGE for what the element can't have. */
static int value_parse(const struct ctl *ctl, const char *text, struct wire_ctl_value *ret_value)
{
    struct wire_ctl_value value = ctl->value;
    char word[WIRE_CTL_ITEM_BYTES];
    int64_t number = 0;

    for (uint32_t i = 0; i < ctl_count(ctl); i++) {
        if (text != NULL) {
            size_t len = strcspn(text, ",");
            if (len >= sizeof(word))
                return -EINVAL;
            memcpy(word, text, len);
            word[len] = '\0';
            if (word_parse(ctl, word, &number) < 0)
                return -EINVAL;
            text = text[len] == ',' ? text + len + 1 : NULL;
        }
        if (!ctl_allows(ctl, number))
            return -ERANGE;
        value.number[i] = to_le32((uint32_t)number);
    }
    if (text != NULL)
        return -E2BIG;
    *ret_value = value;
    return 0;
}

/* -- control elements -- */

static void ctl_print(const struct ctls *ctls, unsigned id, FILE *out)
{
    const struct ctl *ctl = &ctls->item[id];

    (void)fprintf(out, "%u '%s' ", id, (const char *)ctl->info.head.name);
    value_print(ctl, out);
    (void)fputc('\n', out);
}

static int serve_ctl(struct snd *snd, const char *const words[], FILE *reply)
{
    struct ctls *ctls = &snd->ctls;
    size_t count = count_words(words);
    struct wire_ctl_value value;

    if (ctls->host != NULL && !snd->pcm.is_paused) /* that may answer the guest */
        ctl_host_settle(ctls->host);
    if (count > 3)
        return virtio_refuse(reply, -EINVAL,
                             "say ctl WHICH VALUE; a name with blanks goes in quotes");
    if (count == 1) {
        for (unsigned id = 0; id < ctls->count; id++)
            ctl_print(ctls, id, reply);
        return 0;
    }
    int id = find(snd, words[1], ctls->count, control_name);
    if (id < 0)
        return virtio_refuse(reply, id, "there is no control '%s'; there are %u (--snd controls=)",
                             words[1], ctls->count);
    const struct ctl *ctl = &ctls->item[id];
    const char *name = control_name(snd, (unsigned)id);
    if (count == 2) {
        ctl_print(ctls, (unsigned)id, reply);
        return 0;
    }
    if (!ctl_has(ctl, WIRE_CTL_WRITE))
        return virtio_refuse(reply, -EPERM, "'%s' can be read only", name);
    int r = value_parse(ctl, words[2], &value);
    if (r == -E2BIG)
        return virtio_refuse(reply, r, "'%s' has %u values", name, ctl_count(ctl));
    if (r < 0)
        return virtio_refuse(reply, r, "'%s' can't be '%s'", name, words[2]);
    r = ctl_set(ctls, (unsigned)id, &value);
    return r < 0 ? virtio_refuse(reply, r, "the host's mixer is gone") : 0;
}

int snd_command(struct virtio_device *dev, const char *const words[], FILE *reply)
{
    struct snd *snd = container_of(dev, struct snd, dev);

    if (words[0] != NULL && strcmp(words[0], "jack") == 0)
        return serve_jack(snd, words, reply);
    if (words[0] != NULL && strcmp(words[0], "ctl") == 0)
        return serve_ctl(snd, words, reply);
    return virtio_refuse(reply, -EINVAL, "a sound card takes jack and ctl%s%s",
                         words[0] ? ", not " : "", words[0] ? words[0] : "");
}

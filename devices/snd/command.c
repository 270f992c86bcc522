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
#include "vmm/base/text.h"
#include "vmm/config/opts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

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
    struct jacks *jacks = &snd->jacks;
    const char *which = words[0], *what = which != NULL ? words[1] : NULL;

    for (unsigned i = 0; which == NULL && i < jacks->count; i++)
        (void)fprintf(reply, "%u %s %s\n", i, jacks->item[i].name,
                      jacks->item[i].info.connected ? "plugged" : "unplugged");
    if (which == NULL)
        return 0;
    bool plugs = what != NULL && strcmp(what, "plug") == 0;
    if (what == NULL || (!plugs && strcmp(what, "unplug") != 0) || words[2] != NULL)
        return virtio_refuse(reply, -EINVAL, "say jack WHICH plug, or jack WHICH unplug");
    int id = find(snd, which, jacks->count, jack_name);
    if (id < 0)
        return virtio_refuse(reply, id, "there is no jack '%s'; there are %u (--snd jacks=)", which,
                             jacks->count);
    jack_plug(jacks, (unsigned)id, plugs);
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

/* A word in the language of its element: a name, a number, or "50%" of the way from the least to
 * the largest value, rounded to a step. */
static int word_parse(const struct ctl *ctl, char *word, int64_t *ret_number)
{
    static const struct opt number_row = {.name = "ctl", .type = OPT_INT, .max = INT32_MAX};
    static const struct opt percent_row = {.name = "ctl", .type = OPT_INT, .max = 100};
    struct ctl_range range = ctl_range(ctl);
    int64_t step = MAX(range.step, 1);
    char *percent = strchr(word, '%');
    uint64_t number = 0;

    for (int64_t i = range.min; i <= range.max && word_for(ctl, i) != NULL; i++) {
        *ret_number = i;
        if (strcasecmp(word, word_for(ctl, i)) == 0)
            return 0;
    }
    if (percent != NULL && (percent[1] != '\0' || ctl_type(ctl) != WIRE_CTL_INTEGER))
        return -EINVAL;
    if (percent != NULL)
        *percent = '\0';
    int r = opt_number_parse(percent != NULL ? &percent_row : &number_row, word, &number);
    *ret_number = (int64_t)number;
    if (r == 0 && percent != NULL)
        *ret_number = range.min +
                      ((range.max - range.min) * (int64_t)number + 50 * step) / (100 * step) * step;
    return r;
}

/* "VALUE,VALUE,...": 0, -EINVAL for what is no value, -ERANGE for what the element can't have. */
static int value_parse(const struct ctl *ctl, const char *text, struct wire_ctl_value *ret_value)
{
    char word[TEXT_WORD_SIZE];
    int64_t number = 0;

    for (uint32_t i = 0; i < ctl_count(ctl); i++) {
        if (text_word(&text, ',', word) && word_parse(ctl, word, &number) < 0)
            return -EINVAL;
        if (!ctl_allows(ctl, number))
            return -ERANGE;
        ret_value->number[i] = to_le32((uint32_t)number);
    }
    return text != NULL ? -E2BIG : 0;
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
    const char *which = words[0], *text = which != NULL ? words[1] : NULL;
    struct wire_ctl_value value = {0};

    if (ctls->host != NULL && !snd->pcm.is_paused) /* that may answer the guest */
        ctl_host_settle(ctls->host);
    for (unsigned id = 0; which == NULL && id < ctls->count; id++)
        ctl_print(ctls, id, reply);
    if (which == NULL)
        return 0;
    if (text != NULL && words[2] != NULL)
        return virtio_refuse(reply, -EINVAL,
                             "say ctl WHICH VALUE; a name with blanks goes in quotes");
    int id = find(snd, which, ctls->count, control_name);
    if (id < 0)
        return virtio_refuse(reply, id, "there is no control '%s'; there are %u (--snd controls=)",
                             which, ctls->count);
    const struct ctl *ctl = &ctls->item[id];
    const char *name = control_name(snd, (unsigned)id);
    if (text == NULL) {
        ctl_print(ctls, (unsigned)id, reply);
        return 0;
    }
    if (!ctl_has(ctl, WIRE_CTL_WRITE))
        return virtio_refuse(reply, -EPERM, "'%s' can be read only", name);
    int r = value_parse(ctl, text, &value);
    if (r == -E2BIG)
        return virtio_refuse(reply, r, "'%s' has %u values", name, ctl_count(ctl));
    if (r < 0)
        return virtio_refuse(reply, r, "'%s' can't be '%s'", name, text);
    r = ctl_set(ctls, (unsigned)id, &value);
    return r < 0 ? virtio_refuse(reply, r, "the host's mixer is gone") : 0;
}

int snd_command(struct virtio_device *dev, const char *const words[], FILE *reply)
{
    struct snd *snd = container_of(dev, struct snd, dev);
    const char *what = words[0] != NULL ? words[0] : "nothing";

    if (strcmp(what, "jack") == 0)
        return serve_jack(snd, words + 1, reply);
    if (strcmp(what, "ctl") == 0)
        return serve_ctl(snd, words + 1, reply);
    return virtio_refuse(reply, -EINVAL, "a sound card takes jack and ctl, not %s", what);
}

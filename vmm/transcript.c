/* SPDX-License-Identifier: BSD-3-Clause */
/* See transcript.h. The words are in devices/transcript/. */
#include "vmm/transcript.h"

#include "devices/transcript/talk.h"
#include "vmm/base/timebase.h"

#include <string.h>

#define SHOWN_MAX 6 /* of events that are alike, before the rest is only counted */

/* Events of a queue that are alike, one after the other. */
struct told_run {
    const char *key; /* NULL: none */
    unsigned shown;
    unsigned popped, pushed, interrupts; /* not shown */
    uint64_t bytes, began_ns, last_ns;
};

static double seconds(const struct transcript *transcript, uint64_t at_ns)
{
    return (double)(int64_t)(at_ns - transcript->began_ns) / 1e9;
}

/* -- for programs -- */

/* What an event is called, and what its numbers are. */
static const struct {
    const char *name, *a, *b, *value;
    bool queue, id;
} kinds[] = {
    [EVENT_LOST] = {"lost", .value = "count"},
    [EVENT_DEVICE] = {"device", "id", "slot", "features"},
    [EVENT_FEATURES_READ] = {"features-read", "word", "bits"},
    [EVENT_FEATURES_WRITE] = {"features-write", "word", "bits"},
    [EVENT_STATUS] = {"status", "write", "status"},
    [EVENT_RESET] = {"reset"},
    [EVENT_QUEUE] = {"queue", "size", "size-max", "enable", .queue = true},
    [EVENT_QUEUE_RESET] = {"queue-reset", .queue = true},
    [EVENT_ACTIVE] = {"active", "errno"},
    [EVENT_FAIL] = {"fail", "errno"},
    [EVENT_CONFIG_READ] = {"config-read", "offset", "bytes"},
    [EVENT_CONFIG_WRITE] = {"config-write", "offset", "bytes"},
    [EVENT_CONFIG_NEWS] = {"config-news"},
    [EVENT_POP] = {"pop", "readable", "writable", .queue = true, .id = true},
    [EVENT_PUSH] = {"push", "room", "written", .queue = true, .id = true},
    [EVENT_INTERRUPT] = {"interrupt", .queue = true},
};

static bool is_told(const struct event *event)
{
    return event->kind < ARRAY_SIZE(kinds) && kinds[event->kind].name != NULL;
}

static void json_hex(FILE *out, const char *key, const uint8_t *bytes, size_t len)
{
    if (len == 0)
        return;
    (void)fprintf(out, ", \"%s\": \"", key);
    for (size_t i = 0; i < len; i++) {
        (void)fputc("0123456789abcdef"[bytes[i] >> 4], out);
        (void)fputc("0123456789abcdef"[bytes[i] & 15], out);
    }
    (void)fputs("\"", out);
}

/* The text is clean but for quotes and backslashes. */
static void json_text(FILE *out, const char *text)
{
    (void)fputs(", \"says\": \"", out);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            (void)fputc('\\', out);
        (void)fputc(*text, out);
    }
    (void)fputs("\"", out);
}

static void json_write(const struct transcript *transcript, const struct event *event,
                       const char *name, const struct saying *saying)
{
    const struct {
        const char *key;
        uint64_t val;
        bool there;
    } numbers[] = {{"queue", event->queue, kinds[event->kind].queue},
                   {"buffer", event->id, kinds[event->kind].id},
                   {kinds[event->kind].a, event->a, kinds[event->kind].a != NULL},
                   {kinds[event->kind].b, event->b, kinds[event->kind].b != NULL},
                   {kinds[event->kind].value, event->value, kinds[event->kind].value != NULL}};
    FILE *out = transcript->out;

    (void)fprintf(out, "{\"t\": %.6f, \"device\": \"%s\", \"event\": \"%s\"",
                  seconds(transcript, event->at_ns), name, kinds[event->kind].name);
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
        if (numbers[i].there)
            (void)fprintf(out, ", \"%s\": %llu", numbers[i].key,
                          (unsigned long long)numbers[i].val);
    json_hex(out, "sent", event->data, event->sent);
    json_hex(out, "answer", event->data + event->sent, event->answer);
    json_hex(out, "end", event->data + event->sent + event->answer, event->tail);
    if (event->kind == EVENT_POP || event->kind == EVENT_PUSH)
        json_text(out, saying->text);
    (void)fputs("}\n", out);
}

/* -- for people -- */

static void line(const struct transcript *transcript, uint64_t at_ns, const char *device,
                 const char *who, const struct saying *saying)
{
    FILE *out = transcript->out;

    (void)fprintf(out, "%11.6f  %-9s %-10s ", seconds(transcript, at_ns), device, who);
    if (saying->section[0] == '\0' && saying->function[0] == '\0')
        (void)fprintf(out, "%s\n", saying->text);
    else if (saying->function[0] == '\0')
        (void)fprintf(out, "%-72s  %s\n", saying->text, saying->section);
    else
        (void)fprintf(out, "%-72s  %-15s%s\n", saying->text, saying->section, saying->function);
}

/* Where an event is: a queue, or what else it is about. */
static void who(const struct virtio_device *dev, unsigned run, char ret_who[24])
{
    if (run < dev->queue_count)
        talk_queue(talk_of(dev->id), ret_who, run, dev->queue_count);
    else
        (void)snprintf(ret_who, 24, "config");
}

static void run_tell(const struct transcript *transcript, const struct virtio_device *dev,
                     unsigned index, struct told_run *run)
{
    struct saying saying = {.section = "", .function = ""};
    char name[24];

    if (run->popped + run->pushed + run->interrupts == 0)
        return;
    say(&saying, "... %u more", run->popped);
    if (index < dev->queue_count)
        say(&saying, " > and %u < of %s, %llu bytes, %u interrupts", run->pushed, run->key,
            (unsigned long long)run->bytes, run->interrupts);
    say(&saying, ", in %.3f s", (double)(run->last_ns - run->began_ns) / 1e9);
    who(dev, index, name);
    line(transcript, run->last_ns, dev->name, name, &saying);
    run->popped = run->pushed = run->interrupts = 0;
    run->bytes = 0;
}

/* Something else is said: what was alike has ended. */
static void runs_end(const struct transcript *transcript, unsigned device)
{
    const struct virtio_device *dev = transcript->told->devices[device];
    struct told_run *runs = &transcript->runs[transcript->first_run[device]];

    for (unsigned i = 0; i <= dev->queue_count; i++) {
        run_tell(transcript, dev, i, &runs[i]);
        runs[i] = (struct told_run){0};
    }
}

static void run_count(struct told_run *run, const struct event *event)
{
    if (run->popped + run->pushed + run->interrupts == 0)
        run->began_ns = event->at_ns;
    run->last_ns = event->at_ns;
    if (event->kind == EVENT_INTERRUPT)
        run->interrupts++;
    else if (event->kind == EVENT_PUSH)
        run->pushed++;
    else
        run->popped++;
    if (event->kind == EVENT_POP)
        run->bytes += (uint64_t)event->a + event->b;
}

/* True if the event is one more of those that are only counted. */
static bool fold(const struct transcript *transcript, const struct event *event,
                 const struct saying *saying)
{
    const struct virtio_device *dev = transcript->told->devices[event->device];
    unsigned index = event->kind == EVENT_CONFIG_READ ? dev->queue_count : event->queue;
    struct told_run *run = &transcript->runs[transcript->first_run[event->device] + index];
    const char *key = event->kind == EVENT_INTERRUPT ? run->key : saying->key;

    if (key == NULL && event->kind != EVENT_INTERRUPT)
        runs_end(transcript, event->device);
    if (key == NULL)
        return false;
    if (run->key == NULL || strcmp(run->key, key) != 0) {
        run_tell(transcript, dev, index, run);
        *run = (struct told_run){.key = key};
    }
    if (run->shown < SHOWN_MAX) {
        run->shown++;
        return false;
    }
    run_count(run, event);
    if (run->last_ns - run->began_ns >= SECOND_NS)
        run_tell(transcript, dev, index, run);
    return true;
}

static const char *about(const struct event *event)
{
    switch (event->kind) {
    case EVENT_DEVICE:
        return "found";
    case EVENT_FEATURES_READ:
    case EVENT_FEATURES_WRITE:
        return "features";
    case EVENT_CONFIG_READ:
    case EVENT_CONFIG_WRITE:
    case EVENT_CONFIG_NEWS:
        return "config";
    default:
        return "status";
    }
}

static void text_write(const struct transcript *transcript, const struct event *event,
                       const char *name, const struct saying *saying)
{
    char where[24];

    if (fold(transcript, event, saying))
        return;
    (void)snprintf(where, sizeof(where), "%s", about(event));
    if (kinds[event->kind].queue)
        who(transcript->told->devices[event->device], event->queue, where);
    line(transcript, event->at_ns, name, where, saying);
}

static void write_event(struct event_sink *sink, const struct event *event)
{
    struct transcript *transcript = container_of(sink, struct transcript, sink);
    const struct told_devices *told = transcript->told;
    struct saying saying;

    if (!is_told(event))
        return;
    if (event->kind == EVENT_LOST) {
        talk_say(talk_of(0), &saying, event, 0, false);
        if (transcript->json)
            json_write(transcript, event, "", &saying);
        else
            line(transcript, event->at_ns, "-", "lost", &saying);
        return;
    }
    const struct virtio_device *dev = told->devices[event->device];
    talk_say(talk_of(dev->id), &saying, event, dev->queue_count,
             told->pci != NULL && told->pci[event->device]);
    if (transcript->json)
        json_write(transcript, event, dev->name, &saying);
    else
        text_write(transcript, event, dev->name, &saying);
}

static void rest(struct event_sink *sink)
{
    struct transcript *transcript = container_of(sink, struct transcript, sink);

    if (fflush(transcript->out) == EOF && transcript->error == 0)
        transcript->error = -errno;
}

/* -- life -- */

int transcript_init(struct transcript *transcript, FILE *out, bool json,
                    const struct told_devices *told)
{
    unsigned runs = 0;

    *transcript = (struct transcript){.sink = {.write = write_event, .rest = rest},
                                      .out = out,
                                      .told = told,
                                      .json = json,
                                      .began_ns = events_now()};
    transcript->first_run = calloc(told->count + 1, sizeof(transcript->first_run[0]));
    if (transcript->first_run == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < told->count; i++) {
        transcript->first_run[i] = runs;
        runs += told->devices[i]->queue_count + 1u;
    }
    transcript->runs = calloc(runs + 1, sizeof(transcript->runs[0]));
    if (transcript->runs == NULL)
        return -ENOMEM;
    if (!json)
        (void)fprintf(out, "# %9s  %-9s %-10s %-72s  %-14s%s\n", "seconds", "device", "about",
                      "> driver to device, < device to driver", "virtio", "Linux, likely");
    return 0;
}

void transcript_fini(struct transcript *transcript)
{
    for (unsigned i = 0; transcript->runs != NULL && i < transcript->told->count; i++)
        runs_end(transcript, i);
    free(transcript->runs);
    free(transcript->first_run);
    transcript->runs = NULL;
    transcript->first_run = NULL;
}

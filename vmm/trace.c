/* SPDX-License-Identifier: BSD-3-Clause */
/* See trace.h. */
#include "vmm/trace.h"

#include "devices/transcript/talk.h"
#include "vmm/base/sparse.h"

#include <linux/kvm.h>
#include <string.h>

/* What is kept of an event. */
struct traced {
    uint64_t at_ns, value;
    uint32_t took_ns, a, b;
    int32_t thread;
    uint16_t queue, id;
    uint8_t kind, device;
};

#define RING_BYTES (TRACE_EVENTS_MAX * sizeof(struct traced))

static const char *const exit_names[] = {
    [KVM_EXIT_IO] = "io",
    [KVM_EXIT_HLT] = "hlt",
    [KVM_EXIT_MMIO] = "mmio",
    [KVM_EXIT_SHUTDOWN] = "shutdown",
    [KVM_EXIT_FAIL_ENTRY] = "fail entry",
    [KVM_EXIT_INTR] = "signal",
    [KVM_EXIT_INTERNAL_ERROR] = "internal error",
    [KVM_EXIT_SYSTEM_EVENT] = "system event",
};

static const char *const kind_names[] = {
    [EVENT_STATUS] = "status", [EVENT_CONFIG_NEWS] = "config interrupt",
    [EVENT_KICK] = "kick",     [EVENT_POP] = "pop",
    [EVENT_PUSH] = "push",     [EVENT_INTERRUPT] = "interrupt",
    [EVENT_PERIOD] = "period", [EVENT_EXIT] = "exit",
    [EVENT_RESET] = "reset",   [EVENT_FAIL] = "needs reset",
};

static void write_event(struct event_sink *sink, const struct event *event)
{
    struct trace *trace = container_of(sink, struct trace, sink);

    if (event->kind == EVENT_LOST)
        trace->lost += event->value;
    if (event->kind == EVENT_THREAD && trace->thread_count < TRACE_THREADS_MAX) {
        trace->threads[trace->thread_count].number = event->thread;
        memcpy(trace->threads[trace->thread_count++].name, event->data,
               MIN((size_t)event->sent, sizeof(trace->threads[0].name) - 1));
    }
    if (event->kind >= ARRAY_SIZE(kind_names) || kind_names[event->kind] == NULL)
        return;
    trace->events[trace->count++ % TRACE_EVENTS_MAX] = (struct traced){
        .at_ns = event->at_ns,
        .value = event->value,
        .took_ns = event->took_ns,
        .a = event->a,
        .b = event->b,
        .thread = event->thread,
        .queue = event->queue,
        .id = event->id,
        .kind = event->kind,
        .device = event->device,
    };
}

static void rest(struct event_sink *sink)
{
    (void)sink;
}

/* -- the file -- */

/* What it is called in the viewer, and what it says of itself there. */
static void write_exit(FILE *out, const struct traced *event)
{
    const char *name = event->a < ARRAY_SIZE(exit_names) ? exit_names[event->a] : NULL;

    (void)fprintf(out, "\"name\": \"exit %s\", \"cat\": \"exit\", ", name != NULL ? name : "other");
    (void)fprintf(out, "\"args\": {\"reason\": %u, \"address\": \"0x%llx\", \"write\": %u}",
                  event->a, (unsigned long long)event->value, event->b);
}

static void write_queue(const struct trace *trace, FILE *out, const struct traced *event)
{
    const struct virtio_device *dev = trace->told->devices[event->device];
    char queue[24] = "";

    if (event->kind == EVENT_PERIOD)
        (void)snprintf(queue, sizeof(queue), "stream %u", event->a);
    else if (event->kind == EVENT_KICK || event->kind == EVENT_POP || event->kind == EVENT_PUSH ||
             event->kind == EVENT_INTERRUPT)
        talk_queue(talk_of(dev->id), queue, event->queue, dev->queue_count);
    (void)fprintf(out, "\"name\": \"%s %s%s%s\", \"cat\": \"%s\", ", dev->name, queue,
                  queue[0] != '\0' ? " " : "", kind_names[event->kind], dev->name);
    (void)fprintf(out, "\"args\": {\"buffer\": %u, \"a\": %u, \"b\": %u}", event->id, event->a,
                  event->b);
}

static void write_one(const struct trace *trace, FILE *out, const struct traced *event)
{
    bool lasts = event->kind == EVENT_EXIT || event->kind == EVENT_KICK;

    (void)fprintf(out, ",\n{\"pid\": %d, \"tid\": %d, \"ts\": %.3f, ", (int)getpid(),
                  (int)event->thread, (double)(int64_t)(event->at_ns - trace->began_ns) / 1e3);
    if (lasts)
        (void)fprintf(out, "\"ph\": \"X\", \"dur\": %.3f, ", (double)event->took_ns / 1e3);
    else
        (void)fputs("\"ph\": \"i\", \"s\": \"t\", ", out);
    if (event->kind == EVENT_EXIT)
        write_exit(out, event);
    else
        write_queue(trace, out, event);
    (void)fputs("}", out);
}

void trace_write(const struct trace *trace, FILE *out)
{
    uint64_t kept = MIN(trace->count, (uint64_t)TRACE_EVENTS_MAX);

    (void)fprintf(out,
                  "{\"displayTimeUnit\": \"ns\", \"otherData\": {\"events\": %llu, \"kept\": %llu, "
                  "\"lost\": %llu}, \"traceEvents\": [\n",
                  (unsigned long long)trace->count, (unsigned long long)kept,
                  (unsigned long long)trace->lost);
    (void)fprintf(out,
                  "{\"ph\": \"M\", \"pid\": %d, \"name\": \"process_name\", \"args\": {\"name\": "
                  "\"linnet\"}}",
                  (int)getpid());
    for (unsigned i = 0; i < trace->thread_count; i++)
        (void)fprintf(out,
                      ",\n{\"ph\": \"M\", \"pid\": %d, \"tid\": %d, \"name\": \"thread_name\", "
                      "\"args\": {\"name\": \"%s\"}}",
                      (int)getpid(), (int)trace->threads[i].number, trace->threads[i].name);
    for (uint64_t i = trace->count - kept; i < trace->count; i++)
        write_one(trace, out, &trace->events[i % TRACE_EVENTS_MAX]);
    (void)fputs("\n]}\n", out);
}

/* -- life -- */

int trace_init(struct trace *trace, const struct told_devices *told)
{
    *trace = (struct trace){
        .sink = {.write = write_event, .rest = rest}, .told = told, .began_ns = events_now()};
    trace->events = sparse_map(RING_BYTES);
    return trace->events == NULL ? -ENOMEM : 0;
}

void trace_fini(struct trace *trace)
{
    sparse_unmap(trace->events, RING_BYTES);
    trace->events = NULL;
}

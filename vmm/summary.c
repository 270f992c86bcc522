/* SPDX-License-Identifier: BSD-3-Clause */
/* --summary: one JSON object. The README lists the keys. See record.h. */
#include "vmm/base/text.h"
#include "vmm/record.h"
#include "vmm/version.h"

#include <jansson.h>
#include <string.h>
#include <sys/utsname.h>

#define TAIL_LINES 40

static json_t *command_words(char *const *command)
{
    json_t *words = command == NULL ? json_null() : json_array();

    for (size_t i = 0; command != NULL && command[i] != NULL; i++) {
        json_t *word = json_string(command[i]); /* NULL: not UTF-8, which JSON cannot say */
        (void)json_array_append_new(words, word != NULL ? word : json_null());
    }
    return words;
}

static json_t *host_object(const struct utsname *host)
{
    return json_pack("{s:s, s:s}", "name", host->nodename, "kernel", host->release);
}

static json_t *guest_object(const struct config *config, const struct utsname *host)
{
    return json_pack("{s:s, s:I, s:I}", "arch", host->machine, "cpus",
                     (json_int_t)opts_u64(config->options, "cpus"), "memory",
                     (json_int_t)opts_bytes(config->options, "mem"));
}

static json_t *stages_list(const struct record *record)
{
    static const char *const names[] = {
        [RECORD_EXEC] = "exec",       [RECORD_FIRST_INSTRUCTION] = "first-instruction",
        [RECORD_CONSOLE] = "console", [RECORD_INIT] = "init",
        [RECORD_COMMAND] = "command", [RECORD_END] = "end",
    };
    json_t *list = json_array();

    for (unsigned i = 0; i < RECORD_STAGES; i++)
        if (record->stage_ns[i] != 0)
            (void)json_array_append_new(
                list, json_pack("[s, f]", names[i], record_seconds(record, RECORD_EXEC, i)));
    return list;
}

static json_t *ports_object(const struct results *results)
{
    json_t *ports = json_object();

    for (size_t i = 0; i < results->count; i++)
        if (results->at[i].kind == RESULT_PORT)
            (void)json_object_set_new(ports, results->at[i].what,
                                      json_integer((json_int_t)results->at[i].port));
    return ports;
}

static json_t *expect_list(const struct results *results)
{
    json_t *list = json_array();

    for (size_t i = 0; i < results->count; i++) {
        const struct result *result = &results->at[i];
        if (result->kind == RESULT_EXPECT)
            (void)json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s}", "device",
                                                        result->who, "what", result->what, "result",
                                                        result->passed ? "pass" : "fail", "message",
                                                        result->why != NULL ? result->why : ""));
    }
    return list;
}

static json_t *files_object(const struct record *record)
{
    const struct opts *options = record->config->options;
    const char *console = opts_choice(options, "serial") == CONFIG_SERIAL_FILE
                              ? opts_choice_arg(options, "serial")
                              : NULL;
    json_t *recordings = json_array();

    for (size_t i = 0; i < record->results.count; i++)
        if (record->results.at[i].kind == RESULT_FILE)
            (void)json_array_append_new(recordings, json_string(record->results.at[i].what));
    return json_pack("{s:s?, s:o}", "console", console, "recordings", recordings);
}

/* A stranger's line as text: what is not clean becomes '?'. */
static json_t *line_string(const char *line, size_t len)
{
    auto_free char *clean = malloc(len + 1);

    if (clean == NULL)
        return NULL;
    memcpy(clean, line, len);
    for (size_t at = 0, step; at < len; at += MAX(step, (size_t)1)) {
        step = text_clean_char(line + at, len - at);
        if (step == 0)
            clean[at] = line[at] == '\t' ? ' ' : '?';
    }
    return json_stringn(clean, len);
}

/* The last lines of the console, without the '\r' of their ends. */
static json_t *tail_list(const struct record *record)
{
    const char *text = record->console;
    size_t at = record->console_len, end = at;
    json_t *list = json_array();

    while (text != NULL && at > 0 && json_array_size(list) < TAIL_LINES) {
        at--;
        if (at > 0 && text[at - 1] != '\n')
            continue;
        size_t len = end - at;
        while (len > 0 && (text[at + len - 1] == '\n' || text[at + len - 1] == '\r'))
            len--;
        (void)json_array_insert_new(list, 0, line_string(text + at, len));
        end = at;
    }
    return list;
}

static json_t *use_object(const struct record *record)
{
    return json_pack("{s:f, s:f, s:I, s:I}", "cpu_guest_s", record->cpu_guest_s, "cpu_vmm_s",
                     record->cpu_vmm_s, "memory_peak", (json_int_t)record->memory_peak, "exits",
                     (json_int_t)record->exits);
}

/* What the run began with. */
static json_t *begin_object(const struct record *record)
{
    const struct config *config = record->config;
    struct utsname host;

    (void)uname(&host);
    return json_pack("{s:i, s:s, s:s, s:s, s:o, s:o*, s:o*, s:o*}", "schema", 1, "linnet",
                     LINNET_VERSION, "name", opts_str(config->options, "name"), "started",
                     record->started, "command", command_words(record->command), "host",
                     host_object(&host), "guest", guest_object(config, &host), "config",
                     config_json(config));
}

/* How it went, as far as it is known. */
static json_t *end_object(const struct record *record)
{
    const char *from = record->by_command ? "command" : "linnet";

    return json_pack("{s:s, s:o, s:s?, s:s, s:f, s:o, s:o, s:o*, s:o, s:o, s:o}", "end",
                     record_end_word(record), "status",
                     record->ended ? json_integer(record->status) : json_null(), "status_from",
                     record->ended ? from : NULL, "message", record_message(record), "seconds",
                     record_seconds(record, RECORD_EXEC, RECORD_END), "stages", stages_list(record),
                     "ports", ports_object(&record->results), "use", use_object(record), "expect",
                     expect_list(&record->results), "files", files_object(record), "console_tail",
                     tail_list(record));
}

int summary_write(const struct record *record, FILE *out)
{
    json_t *object = begin_object(record), *end = end_object(record);
    int r = object == NULL || end == NULL || json_object_update(object, end) < 0 ? -ENOMEM : 0;

    errno = 0;
    if (r == 0 && json_dumpf(object, out, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) < 0)
        r = errno > 0 ? -errno : -EIO;
    json_decref(end);
    json_decref(object);
    return r;
}

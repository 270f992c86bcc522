/* SPDX-License-Identifier: BSD-3-Clause */
/* See summary.h. */
#include "vmm/summary.h"

#include "vmm/base/log.h"
#include "vmm/base/text.h"
#include "vmm/base/timebase.h"
#include "vmm/exit_status.h"
#include "vmm/version.h"

#include <jansson.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

static const char *const end_words[] = {
    [VM_RUNNING] = "host",          [VM_POWEROFF] = "poweroff",     [VM_RESET] = "reset",
    [VM_CRASHED] = "crash",         [VM_PANICKED] = "panic",        [VM_HOST_ERROR] = "host",
    [VM_TIME_LIMIT] = "time-limit", [VM_BOOT_LIMIT] = "boot-limit", [VM_QUIT] = "quit",
    [VM_SIGNAL] = "signal",         [VM_UNTIL] = "until",           [VM_FAIL_ON] = "expectation",
    [VM_COMMAND] = "command",
};

static json_t *command_words(char *const *command)
{
    json_t *words = command == NULL ? json_null() : json_array();

    for (size_t i = 0; command != NULL && command[i] != NULL; i++) {
        json_t *word = json_string(command[i]); /* NULL: not UTF-8, which JSON cannot say */
        (void)json_array_append_new(words, word != NULL ? word : json_null());
    }
    return words;
}

/* What --print-config writes. */
static json_t *config_object(const struct config *config)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    json_t *object = NULL;

    if (out == NULL)
        return NULL;
    int r = config_print(config, out);
    if (fclose(out) == 0 && r == 0)
        object = json_loads(text, 0, NULL);
    free(text);
    return object;
}

static json_t *guest_object(const struct config *config)
{
    struct utsname host;

    (void)uname(&host);
    return json_pack("{s:s, s:I, s:I}", "arch", host.machine, "cpus",
                     (json_int_t)opts_u64(config->options, "cpus"), "memory",
                     (json_int_t)opts_bytes(config->options, "mem"));
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

static double seconds(const struct summary *summary)
{
    uint64_t ns = timebase_monotonic.now_ns(&timebase_monotonic) - summary->started_ns;

    return (double)(ns / MS_NS) / 1000;
}

/* In the place of what is there, all or nothing. Takes the object. */
static int replace(const char *path, json_t *object)
{
    auto_free char *fresh = NULL;
    int r = object == NULL || asprintf(&fresh, "%s.new", path) < 0 ? -ENOMEM : 0;

    if (r == 0 && json_dump_file(object, fresh, JSON_INDENT(1)) < 0)
        r = errno > 0 ? -errno : -EIO;
    if (r == 0 && rename(fresh, path) < 0)
        r = -errno;
    if (r < 0 && fresh != NULL)
        (void)remove(fresh);
    json_decref(object);
    return r;
}

static int put(const struct summary *summary, const char *end, json_t *status, const char *from)
{
    const struct config *config = summary->config;
    const char *why = strcmp(end, "running") == 0 ? "" : log_first_error();
    bool clean = text_is_clean(why, strlen(why));
    json_t *object =
        json_pack("{s:i, s:s, s:s, s:s, s:o, s:s?, s:s, s:o, s:s, s:f, s:o, s:o*, s:o*}", "schema",
                  1, "linnet", LINNET_VERSION, "name", opts_str(config->options, "name"), "end",
                  end, "status", status, "status_from", from, "message", clean ? why : "",
                  "command", command_words(summary->command), "started", summary->started,
                  "seconds", seconds(summary), "ports", ports_object(&summary->results), "guest",
                  guest_object(config), "config", config_object(config));

    return replace(opts_str(config->options, "summary"), object);
}

int summary_begin(struct summary *summary, const struct config *config, char *const *command)
{
    time_t now = time(NULL);
    struct tm utc;

    *summary = (struct summary){0};
    if (!opts_has(config->options, "summary"))
        return 0;
    summary->config = config;
    summary->command = command;
    summary->started_ns = timebase_monotonic.now_ns(&timebase_monotonic);
    (void)strftime(summary->started, sizeof(summary->started), "%Y-%m-%dT%H:%M:%SZ",
                   gmtime_r(&now, &utc));
    int r = put(summary, "running", json_null(), NULL);
    if (r == 0)
        return 0;
    summary->config = NULL;
    return opts_error("--summary %s: %s", opts_str(config->options, "summary"), strerror(-r));
}

void summary_running(const struct summary *summary)
{
    if (summary->config != NULL)
        (void)put(summary, "running", json_null(), NULL);
}

int summary_end(const struct summary *summary, enum vm_end how, int status, bool by_command)
{
    const char *end = status == EXIT_EXPECTATION && !by_command ? "expectation" : end_words[how];

    if (summary->config == NULL)
        return 0;
    int r = put(summary, end, json_integer(status), by_command ? "command" : "linnet");
    return r < 0 ? log_error(r, "--summary %s", opts_str(summary->config->options, "summary")) : 0;
}

void summary_fini(struct summary *summary)
{
    results_fini(&summary->results);
}

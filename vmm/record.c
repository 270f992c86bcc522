/* SPDX-License-Identifier: BSD-3-Clause */
/* See record.h. */
#include "vmm/record.h"

#include "vmm/base/exit_status.h"
#include "vmm/base/log.h"
#include "vmm/base/text.h"
#include "vmm/base/timebase.h"

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

static const char *const end_words[] = {
    [VM_RUNNING] = "host",          [VM_POWEROFF] = "poweroff",     [VM_RESET] = "reset",
    [VM_CRASHED] = "crash",         [VM_PANICKED] = "panic",        [VM_HOST_ERROR] = "host",
    [VM_TIME_LIMIT] = "time-limit", [VM_BOOT_LIMIT] = "boot-limit", [VM_QUIT] = "quit",
    [VM_WATCHDOG] = "watchdog",     [VM_SIGNAL] = "signal",         [VM_UNTIL] = "until",
    [VM_FAIL_ON] = "expectation",   [VM_COMMAND] = "command",
};

const char *record_end_word(const struct record *record)
{
    if (!record->ended)
        return "running";
    return record->status == EXIT_EXPECTATION && !record->by_command ? "expectation"
                                                                     : end_words[record->how];
}

const char *record_message(const struct record *record)
{
    const char *why = record->ended ? log_first_error() : "";

    if (*why == '\0' && record->how == VM_PANICKED)
        why = record->panic;
    return text_is_clean(why, strlen(why)) ? why : "";
}

double record_seconds(const struct record *record, enum record_stage from, enum record_stage to)
{
    uint64_t begin = record->stage_ns[from], end = record->stage_ns[to];

    return begin == 0 || end <= begin ? 0 : (double)((end - begin) / 1000) / 1e6;
}

/* -- what the run took -- */

/* Seconds that vCPUs ran the guest, by field 43 of /proc/self/stat (proc(5)), in the kernel's
 * ticks. */
static double guest_seconds(void)
{
    FILE *file = fopen("/proc/self/stat", "re");
    char text[1024] = "";
    unsigned long long ticks = 0;

    if (file != NULL) {
        (void)!fgets(text, sizeof(text), file);
        (void)fclose(file); /* was only read */
    }
    const char *at = strrchr(text, ')'); /* the second field, which may hold anything, ends here */
    for (int field = 2; at != NULL && field < 43; field++)
        at = strchr(at + 1, ' ');
    if (at != NULL)
        ticks = strtoull(at, NULL, 10);
    return (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

static void use_note(struct record *record)
{
    struct rusage use;

    (void)getrusage(RUSAGE_SELF, &use);
    double all_s = (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
                   (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
    record->cpu_guest_s = guest_seconds();
    record->cpu_vmm_s = MAX(all_s - record->cpu_guest_s, 0.0);
    record->memory_peak = (uint64_t)use.ru_maxrss * 1024;
}

/* -- files -- */

static const struct {
    const char *option;
    int (*write)(const struct record *record, FILE *out);
} files[] = {{"junit", junit_write}, {"summary", summary_write}};

/* What is no file (a device, a pipe) would be replaced by one. */
static int check_path(const char *path)
{
    struct stat there;

    return stat(path, &there) == 0 && !S_ISREG(there.st_mode) ? -EEXIST : 0;
}

static int compose(const struct record *record, size_t file, char **ret_text, size_t *ret_size)
{
    FILE *out = open_memstream(ret_text, ret_size);
    int r;

    if (out == NULL)
        return -errno;
    r = files[file].write(record, out);
    if (fclose(out) == EOF && r == 0)
        r = -errno;
    return r;
}

/* Takes the place of what one that was killed left. A link that somebody laid is not followed. */
static int put(const char *path, const char *text, size_t size)
{
    int r = 0;

    (void)unlink(path); /* most often there is none */
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
    if (out == NULL) {
        r = -errno;
        fd_close(&fd);
        return r;
    }
    if (fwrite(text, 1, size, out) < size)
        r = -errno;
    if (fclose(out) == EOF && r == 0)
        r = -errno;
    return r;
}

/* In the place of what is there, all or nothing. All is at hand before there is a file, so that one
 * that is killed hardly ever leaves a NAME.new, which the next one takes. */
static int replace(const struct record *record, size_t file)
{
    const char *path = opts_str(record->config->options, files[file].option);
    auto_free char *fresh = NULL, *text = NULL;
    size_t size = 0;
    int r = check_path(path);

    if (r == 0)
        r = compose(record, file, &text, &size);
    if (r < 0)
        return r;
    if (asprintf(&fresh, "%s.new", path) < 0) {
        fresh = NULL;
        return -ENOMEM;
    }
    r = put(fresh, text, size);
    if (r == 0 && rename(fresh, path) < 0)
        r = -errno;
    if (r < 0)
        (void)remove(fresh);
    return r;
}

/* If it is wanted: 0, or -errno after a line. */
static int replace_wanted(const struct record *record, size_t file)
{
    const char *path = opts_str(record->config->options, files[file].option);
    int r = path == NULL ? 0 : replace(record, file);

    if (r < 0)
        (void)log_error(0, "--%s %s: %s", files[file].option, path,
                        r == -EEXIST
                            ? "is there and no regular file, which is what it would be replaced by"
                            : strerror(-r));
    return r;
}

bool record_wanted(const struct config *config)
{
    return opts_has(config->options, "summary") || opts_has(config->options, "junit");
}

int record_begin(struct record *record, const struct config *config, char *const *command)
{
    time_t now = time(NULL);
    struct tm utc;

    *record = (struct record){.config = config, .command = command};
    record->stage_ns[RECORD_EXEC] = monotonic_ns();
    (void)strftime(record->started, sizeof(record->started), "%Y-%m-%dT%H:%M:%SZ",
                   gmtime_r(&now, &utc));
    if (opts_has(config->options, "summary") && opts_has(config->options, "junit") &&
        strcmp(opts_str(config->options, "summary"), opts_str(config->options, "junit")) == 0)
        return opts_error("--junit %s: is the file of --summary, too; give it another name",
                          opts_str(config->options, "junit"));
    for (size_t i = 0; i < ARRAY_SIZE(files); i++)
        if (replace_wanted(record, i) < 0)
            return -EINVAL;
    return 0;
}

void record_running(const struct record *record)
{
    if (opts_has(record->config->options, "summary"))
        (void)replace(record, ARRAY_SIZE(files) - 1);
}

int record_end(struct record *record, enum vm_end how, int status)
{
    int result = record->results.lost ? log_error(-ENOMEM, "results of devices") : 0;

    record->ended = true;
    record->how = how;
    record->status = status;
    record->stage_ns[RECORD_END] = monotonic_ns();
    use_note(record);
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        int r = replace_wanted(record, i);
        if (r < 0)
            result = r;
    }
    return result;
}

void record_fini(struct record *record)
{
    results_fini(&record->results);
    free(record->console);
    record->console = NULL;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * --junit: one <testsuite>, as CI systems read it, with testcases "boot", "command" if there is
 * one, and one for each expectation (--until, --fail-on, --snd expect=). A guest that did wrong
 * failed its test, which is a <failure>; where this host or linnet did, that is an <error>. Viewers
 * leave out a suite's name and a failure's message: testcases are of a class by the machine's name,
 * and the text says it all. See record.h.
 */
#include "vmm/base/exit_status.h"
#include "vmm/base/text.h"
#include "vmm/record.h"

#include <string.h>
#include <sys/utsname.h>

#define TEXT_BYTES_MAX 65536 /* of a failure, as it is written */

enum verdict { PASSED, FAILED, ERROR, SKIPPED };

struct testcase {
    const char *who; /* stands before the name, "snd0: "; NULL: nothing does */
    const char *name;
    double seconds;
    enum verdict verdict;
    const char *why; /* of what did not pass */
};

#define OWN_CASES 2 /* besides expectations */

/* -- text -- */

/* What stands for text[0] in XML, and how many bytes of text that is. "": nothing: XML has no way
 * to say it (XML 1.0 §2.2), or it is no UTF-8. `buf` may hold it. */
static const char *escape(const char *text, size_t len, char buf[5], size_t *ret_step)
{
    size_t step = text_clean_char(text, len);

    *ret_step = MAX(step, (size_t)1);
    switch (text[0]) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\n':
        return "\n";
    case '\t':
        return "\t";
    default:
        (void)snprintf(buf, 5, "%.*s", (int)step, text);
        return strcmp(buf, "\xef\xbf\xbe") == 0 || strcmp(buf, "\xef\xbf\xbf") == 0 ? "" : buf;
    }
}

static size_t escaped_size(const char *text, size_t len)
{
    size_t size = 0, step;
    char buf[5];

    for (; len > 0; text += step, len -= step)
        size += strlen(escape(text, len, buf, &step));
    return size;
}

/* The last of it, if it is more than size_max. */
static void put_text(FILE *out, const char *text, size_t len, size_t size_max)
{
    size_t size = escaped_size(text, len), step;
    char buf[5];

    for (; len > 0; text += step, len -= step) {
        const char *escaped = escape(text, len, buf, &step);
        if (size <= size_max)
            (void)fputs(escaped, out);
        else
            size -= strlen(escaped);
    }
}

/* ` name="text"`, which has no line ends. */
static void put_attribute(FILE *out, const char *name, const char *text)
{
    (void)fprintf(out, " %s=\"", name);
    put_text(out, text, strlen(text), TEXT_BYTES_MAX);
    (void)fputc('"', out);
}

/* -- verdicts -- */

/* Did an expectation of its own testcase fail? */
static bool expectation_failed(const struct testcase *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (cases[i].verdict == FAILED)
            return true;
    return false;
}

/* Of the run as a whole, but for expectations, which `told` says are told on their own. */
static enum verdict run_verdict(const struct record *record, bool told)
{
    if (record->status == EXIT_POWEROFF)
        return PASSED;
    if (record->by_command)
        return FAILED;
    switch (record->status) {
    case EXIT_EXPECTATION:
        return told ? PASSED : FAILED;
    case EXIT_RESET:
    case EXIT_CRASHED:
    case EXIT_PANICKED:
    case EXIT_WATCHDOG:
    case EXIT_TIME_LIMIT:
        return FAILED;
    default: /* also what ended linnet from outside */
        return ERROR;
    }
}

/* Fills a row for each. How many. */
static size_t expect_cases(const struct record *record, struct testcase *cases)
{
    size_t count = 0;

    for (size_t i = 0; i < record->results.count; i++) {
        const struct result *result = &record->results.at[i];
        if (result->kind == RESULT_EXPECT)
            cases[count++] = (struct testcase){
                .who = result->who,
                .name = result->what,
                .verdict = result->passed ? PASSED : FAILED,
                .why = result->why != NULL ? result->why : "",
            };
    }
    return count;
}

/* How the guest got to where its work began, and with a command how that went. */
static void run_cases(const struct record *record, bool told, const char *why,
                      struct testcase cases[OWN_CASES])
{
    bool began = record->stage_ns[RECORD_COMMAND] != 0;
    enum verdict verdict = run_verdict(record, told);
    const struct testcase row = {.verdict = verdict, .why = why};
    enum record_stage ready = began ? RECORD_COMMAND : RECORD_END;

    cases[0] = row;
    cases[0].name = "boot";
    cases[0].seconds = record_seconds(record, RECORD_EXEC, ready);
    if (record->command == NULL)
        return;
    cases[1] = row;
    cases[1].name = "command";
    cases[1].seconds = record_seconds(record, ready, RECORD_END);
    if (began || record->by_command)
        cases[0].verdict = PASSED;
    else if (verdict != PASSED)
        cases[1] = (struct testcase){.name = "command", .verdict = SKIPPED, .why = "no boot"};
}

/* -- the file -- */

static void put_case(const struct record *record, const struct testcase *row, FILE *out)
{
    static const char *const elements[] = {[FAILED] = "failure", [ERROR] = "error"};

    (void)fputs(" <testcase", out);
    put_attribute(out, "classname", opts_str(record->config->options, "name"));
    (void)fputs(" name=\"", out);
    if (row->who != NULL) {
        put_text(out, row->who, strlen(row->who), TEXT_BYTES_MAX);
        (void)fputs(": ", out);
    }
    put_text(out, row->name, strlen(row->name), TEXT_BYTES_MAX);
    (void)fprintf(out, "\" time=\"%.3f\"", row->seconds);
    if (row->verdict == PASSED) {
        (void)fputs("/>\n", out);
        return;
    }
    if (row->verdict == SKIPPED) {
        (void)fputs("><skipped", out);
        put_attribute(out, "message", row->why);
        (void)fputs("/></testcase>\n", out);
        return;
    }
    (void)fprintf(out, "><%s", elements[row->verdict]);
    put_attribute(out, "message", row->why);
    put_attribute(out, "type", record_end_word(record));
    (void)fputc('>', out);
    put_text(out, row->why, strlen(row->why), TEXT_BYTES_MAX);
    if (record->console_len > 0) {
        (void)fputs("\n\nThe end of the console:\n", out);
        put_text(out, record->console, record->console_len,
                 TEXT_BYTES_MAX - 64 - escaped_size(row->why, strlen(row->why)));
    }
    (void)fprintf(out, "</%s></testcase>\n", elements[row->verdict]);
}

static unsigned count_of(const struct testcase *cases, size_t count, enum verdict verdict)
{
    unsigned found = 0;

    for (size_t i = 0; i < count; i++)
        found += cases[i].verdict == verdict;
    return found;
}

static void put_suite(const struct record *record, const struct testcase *cases, size_t count,
                      FILE *out)
{
    struct utsname host;

    (void)uname(&host);
    (void)fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite", out);
    put_attribute(out, "name", opts_str(record->config->options, "name"));
    (void)fprintf(out, " tests=\"%zu\" failures=\"%u\" errors=\"%u\" skipped=\"%u\" time=\"%.3f\"",
                  count, count_of(cases, count, FAILED), count_of(cases, count, ERROR),
                  count_of(cases, count, SKIPPED), record_seconds(record, RECORD_EXEC, RECORD_END));
    put_attribute(out, "timestamp", record->started);
    put_attribute(out, "hostname", host.nodename);
    (void)fputs(">\n", out);
    for (size_t i = 0; i < count; i++)
        put_case(record, &cases[i], out);
    (void)fputs("</testsuite>\n", out);
}

/* Why it did not go well, in a line. */
static void say_why(const struct record *record, char *why, size_t size)
{
    const char *message = record_message(record);
    bool of_command = record->by_command && record->command != NULL;

    if (record->ended)
        (void)snprintf(why, size, "%s, exit status %d%s%s",
                       of_command ? record->command[0] : record_end_word(record), record->status,
                       *message != '\0' ? ": " : "", message);
    else
        (void)snprintf(why, size, "the run has not ended, or was killed");
}

int junit_write(const struct record *record, FILE *out)
{
    struct testcase *cases = calloc(record->results.count + OWN_CASES, sizeof(*cases));
    size_t count = record->command != NULL ? 2 : 1;
    char why[2048];

    if (cases == NULL)
        return -ENOMEM;
    say_why(record, why, sizeof(why));
    if (record->ended) {
        size_t expected = expect_cases(record, cases + count);
        run_cases(record, expectation_failed(cases + count, expected), why, cases);
        count += expected;
    } else {
        cases[0] = (struct testcase){.name = "boot", .verdict = ERROR, .why = why};
        count = 1;
    }
    put_suite(record, cases, count, out);
    free(cases);
    errno = 0;
    return fflush(out) == EOF || ferror(out) ? (errno > 0 ? -errno : -EIO) : 0;
}

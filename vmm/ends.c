/* SPDX-License-Identifier: BSD-3-Clause */
/* See ends.h. */
#include "vmm/ends.h"

#include "vmm/base/text.h"

#include <string.h>

/* --fail-on kernel: what Linux begins its complaints with. (A panic has an exit status of its own.)
 */
#define KERNEL_COMPLAINTS                                                                          \
    "-\\[ cut here \\]|Unhandled fault|BUG: |kernel BUG at|Oops( -|:) |WARNING: |invalid opcode:|" \
    "general protection fault"

static const char panic_text[] = "Kernel panic - not syncing";
static const char panic_end[] = "---[ end Kernel panic";

static int compile(struct ends_pattern *pattern, const char *option, const char *text)
{
    char why[128];

    if (text == NULL)
        return 0;
    if (*text == '\0')
        return opts_error("--%s is empty; give a regular expression", option);
    int r = regcomp(&pattern->regex, text, REG_EXTENDED | REG_NOSUB);
    pattern->set = r == 0;
    if (r == 0)
        return 0;
    (void)regerror(r, &pattern->regex, why, sizeof(why));
    return opts_error("--%s '%s' is no extended regular expression: %s", option, text, why);
}

int ends_init(struct ends *ends, const struct opts *options)
{
    const char *fail_on = opts_str(options, "fail-on");

    *ends = (struct ends){0};
    if (fail_on != NULL && strcmp(fail_on, "kernel") == 0)
        fail_on = KERNEL_COMPLAINTS;
    int r = compile(&ends->until, "until", opts_str(options, "until"));
    return r < 0 ? r : compile(&ends->fail_on, "fail-on", fail_on);
}

void ends_fini(struct ends *ends)
{
    if (ends->until.set)
        regfree(&ends->until.regex);
    if (ends->fail_on.set)
        regfree(&ends->fail_on.regex);
    ends->until.set = ends->fail_on.set = false;
}

static bool matches(const struct ends_pattern *pattern, const char *line)
{
    return pattern->set && regexec(&pattern->regex, line, 0, NULL, 0) == 0;
}

/* The kernel's own line: perhaps behind "[   12.345678] ". */
static const char *kernel_line(const char *line)
{
    const char *behind = strstr(line, "] ");

    return line[0] == '[' && behind != NULL ? behind + 2 : line;
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static void remember(struct ends *ends)
{
    bool clean = text_is_clean(ends->line, ends->len);

    memcpy(ends->text, ends->line, ends->len + 1);
    for (char *c = ends->text; !clean && *c != '\0'; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
}

/* What the line says, as far as it is there. */
static enum ends_verdict judge(struct ends *ends)
{
    const char *line = kernel_line(ends->line);

    if (ends->panicked && begins(line, panic_end))
        return ENDS_PANIC;
    if (matches(&ends->fail_on, ends->line))
        return ENDS_FAIL_ON;
    if (matches(&ends->until, ends->line))
        return ENDS_UNTIL;
    if (begins(line, panic_text) && (!ends->panicked || ends->panic_line)) {
        ends->panicked = ends->panic_line = true;
        remember(ends); /* and again if the line goes on */
    }
    return ENDS_NOT;
}

static void look(struct ends *ends)
{
    if (ends->verdict != ENDS_NOT || ends->len == ends->looked_at)
        return;
    ends->line[ends->len] = '\0';
    ends->looked_at = ends->len;
    ends->verdict = judge(ends);
    if (ends->verdict == ENDS_UNTIL || ends->verdict == ENDS_FAIL_ON)
        remember(ends);
}

enum ends_verdict ends_feed(struct ends *ends, const uint8_t *text, size_t len, bool pause)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\n') {
            look(ends);
            ends->len = ends->looked_at = 0;
            ends->panic_line = false;
        } else if (ends->len < ENDS_LINE_SIZE - 1 && text[i] != '\r' && text[i] != '\0') {
            ends->line[ends->len++] = (char)text[i];
        }
    }
    if (pause)
        look(ends);
    return ends->verdict;
}

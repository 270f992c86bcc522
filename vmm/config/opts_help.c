/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tables of options told to people: --help for a terminal and tables in Markdown for the manual.
 * What is said about a row is said by its table alone. Write errors stay in the FILE for its owner.
 * See opts.h.
 */
#include "vmm/config/opts.h"

#include <string.h>

#define LINE_COLUMNS 80
#define TEXT_COLUMN  26 /* where the explanation begins */
#define CELL_SIZE    512

/* An option with its argument ("--mem SIZE"), or a key with its value ("source=FILE"). */
static void row_left(const struct opt *row, bool as_option, char *buf, size_t size)
{
    static const char *const words[] = {
        [OPT_STRING] = "TEXT", [OPT_PATH] = "FILE",     [OPT_NAME] = "NAME",   [OPT_INT] = "N",
        [OPT_SIZE] = "SIZE",   [OPT_DURATION] = "TIME", [OPT_BOOL] = "on|off",
    };
    const char *arg = row->arg != NULL ? row->arg : row->type == OPT_CHOICE ? "" : words[row->type];
    bool bare = as_option && (row->bare != NULL || row->type == OPT_BOOL);
    size_t len;

    if (as_option && (row->flags & OPT_POSITIONAL) != 0) {
        (void)snprintf(buf, size, "%s", arg);
        return;
    }
    len = (size_t)snprintf(buf, size, "%s%s%s%s", as_option ? "--" : "", row->name,
                           bare        ? ""
                           : as_option ? " "
                                       : "=",
                           bare ? "" : arg);
    if (bare || row->type != OPT_CHOICE || row->arg != NULL)
        return;
    for (size_t i = 0; row->choices[i] != NULL && len < size; i++)
        len += (size_t)snprintf(buf + len, size - len, "%s%s", i > 0 ? "|" : "", row->choices[i]);
}

/* What a row takes as far as its left side does not say it; "" if there is nothing to add. */
static const char *row_takes(const struct opt *row, char buf[OPT_WANTS_SIZE])
{
    buf[0] = '\0';
    if (row->type == OPT_CHOICE)
        return row->arg != NULL ? opt_wants(row, buf) : buf;
    return opt_range(row, buf);
}

static const char *row_default(const struct opt *row)
{
    if ((row->flags & OPT_REQUIRED) != 0)
        return "required";
    return row->value == NULL || strcmp(row->value, "off") == 0 ? "" : row->value;
}

/* "what it is for (16M to 1T, default 512M)" */
static void row_right(const struct opt *row, char *buf, size_t size)
{
    char wants[OPT_WANTS_SIZE];
    const char *takes = row_takes(row, wants), *value = row_default(row);
    bool both = takes[0] != '\0' && value[0] != '\0', any = takes[0] != '\0' || value[0] != '\0';
    const char *word = value[0] == '\0' || (row->flags & OPT_REQUIRED) != 0 ? "" : "default ";

    (void)snprintf(buf, size, "%s%s%s%s%s%s%s", row->help, any ? " (" : "", takes, both ? ", " : "",
                   word, value, any ? ")" : "");
}

void opts_help_row(FILE *out, unsigned indent, const char *left, const char *right)
{
    int column = fprintf(out, "%*s%s", (int)indent, "", left);

    if (column > TEXT_COLUMN - 2) {
        (void)fputc('\n', out);
        column = 0;
    }
    for (const char *word = right; *word != '\0';) {
        size_t len = strcspn(word, " ");
        if (column > TEXT_COLUMN && (size_t)column + 1 + len > LINE_COLUMNS) {
            (void)fputc('\n', out);
            column = 0;
        }
        int pad = column < TEXT_COLUMN ? TEXT_COLUMN - MAX(column, 0) : 1;
        column += fprintf(out, "%*s%.*s", pad, "", (int)len, word);
        word += len + strspn(word + len, " ");
    }
    (void)fputc('\n', out);
}

static void help_table(FILE *out, const struct opt *table, bool as_options)
{
    char left[CELL_SIZE], right[CELL_SIZE];

    for (const struct opt *row = table; row != NULL && row->name != NULL; row++) {
        if ((row->flags & OPT_TOLD_ELSEWHERE) != 0)
            continue;
        if (row->group != NULL)
            (void)fprintf(out, "%s%s\n", row == table ? "" : "\n", row->group);
        row_left(row, as_options, left, sizeof(left));
        row_right(row, right, sizeof(right));
        opts_help_row(out, as_options ? 2 : 4, left, right);
    }
}

void opts_help_options(FILE *out, const struct opt *table)
{
    help_table(out, table, true);
}

void opts_help_keys(FILE *out, const struct opt *table)
{
    help_table(out, table, false);
}

/* One cell of a Markdown table, as code if it is not empty. */
static void markdown_cell(FILE *out, const char *text, bool code)
{
    const char *quote = code && *text != '\0' ? "`" : "";

    (void)fprintf(out, " %s", quote);
    for (; *text != '\0'; text++)
        (void)fprintf(out, "%s%c", *text == '|' ? "\\" : "", *text);
    (void)fprintf(out, "%s |", quote);
}

void opts_help_markdown(FILE *out, const struct opt *table, bool as_options)
{
    char left[CELL_SIZE], wants[OPT_WANTS_SIZE];

    (void)fprintf(out, "| %s | meaning | takes | default |\n|---|---|---|---|\n",
                  as_options ? "option" : "key");
    for (const struct opt *row = table; row != NULL && row->name != NULL; row++) {
        if ((row->flags & OPT_TOLD_ELSEWHERE) != 0)
            continue;
        row_left(row, as_options, left, sizeof(left));
        (void)fputc('|', out);
        markdown_cell(out, left, true);
        markdown_cell(out, row->help, false);
        markdown_cell(out, row_takes(row, wants), false);
        markdown_cell(out, row_default(row), (row->flags & OPT_REQUIRED) == 0);
        (void)fputc('\n', out);
    }
}

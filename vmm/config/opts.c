/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Option tables with values: the table's own consistency, the "key=value,..." language, options
 * among a command's words, and the getters. See opts.h. One value is opts_value.c's, --help is
 * opts_help.c's.
 */
#include "vmm/config/opts.h"
#include "vmm/base/text.h"

#include <string.h>

/* -- tables -- */

const struct opt *opt_find(const struct opt *table, const char *key)
{
    for (const struct opt *row = table; row != NULL && row->name != NULL; row++)
        if (strcmp(row->name, key) == 0)
            return row;
    return NULL;
}

static bool is_key(const char *name)
{
    size_t len = strlen(name);

    return len > 0 && len <= OPTS_KEY_BYTES_MAX && name[0] != '-' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

/* Asserts that a row can be parsed, printed and read back. */
static void row_assert(const struct opt *table, const struct opt *row)
{
    assert(is_key(row->name));
    assert(opt_find(table, row->name) == row);
    assert(row->help != NULL);
    assert((row->type == OPT_CHOICE) == (row->choices != NULL));
    assert(row->max == 0 || row->min <= row->max);
    assert(row->max <= INT64_MAX); /* JSON integers */
    assert(row->type != OPT_STRING || row->max <= OPTS_TEXT_BYTES_MAX);
    assert(row->multiple == 0 || row->type == OPT_SIZE);
    /* Else what opt_number_text() writes without a unit would be read as MiB. */
    assert((row->flags & OPT_PLAIN_MIB) == 0 || (row->multiple != 0 && row->multiple % 1024 == 0));
    assert((row->flags & OPT_REQUIRED) == 0 || row->value == NULL);
}

static size_t table_count(const struct opt *table)
{
    size_t count = 0;

    for (; table[count].name != NULL; count++)
        row_assert(table, &table[count]);
    assert(count <= OPTS_ROWS_MAX);
    return count;
}

/* The default's number; a default that its own row refuses is our bug. */
static uint64_t default_number(const struct opt *row)
{
    uint64_t number = 0;
    int r;

    if (row->value == NULL)
        return 0;
    r = opt_value_parse(row, "table: ", row->value, &number);
    assert(r == 0);
    return number;
}

int opts_create(const struct opt *table, struct opts **ret_opts)
{
    static const struct opt empty[] = {{0}};
    const struct opt *rows = table != NULL ? table : empty;
    size_t count = table_count(rows);
    struct opts *opts = calloc(1, sizeof(*opts) + count * sizeof(opts->values[0]));

    if (opts == NULL)
        return log_error(-ENOMEM, "options");
    opts->table = rows;
    opts->count = count;
    for (size_t i = 0; i < count; i++)
        opts->values[i].number = default_number(&rows[i]);
    *ret_opts = opts;
    return 0;
}

void opts_destroy(struct opts *opts)
{
    if (opts == NULL)
        return;
    for (size_t i = 0; i < opts->count; i++)
        free(opts->values[i].text);
    free(opts);
}

/* -- setting -- */

/* Says that key is not in the table, with the nearest that is, else with all. */
static int key_unknown(const struct opts *opts, const char *prefix, const char *key,
                       const char *hint)
{
    char quote[TEXT_QUOTE_SIZE], known[OPTS_ROWS_MAX * (OPTS_KEY_BYTES_MAX + 2)] = "none";
    struct text_nearest nearest;
    size_t len = 0;

    (void)text_quote(quote, key);
    text_nearest_init(&nearest, key);
    for (size_t i = 0; i < opts->count; i++) {
        text_nearest_offer(&nearest, opts->table[i].name);
        len += (size_t)snprintf(known + len, sizeof(known) - len, "%s%s", i > 0 ? ", " : "",
                                opts->table[i].name);
    }
    if (nearest.best != NULL)
        return opts_error("%s%s: no such key; did you mean \"%s\"?%s", prefix, quote, nearest.best,
                          hint);
    return opts_error("%s%s: no such key; known keys: %s%s", prefix, quote, known, hint);
}

static int row_set(struct opts *opts, const struct opt *row, const char *prefix, const char *text)
{
    struct opts_value *value = &opts->values[row - opts->table];
    char *copy = NULL;
    uint64_t number = 0;
    int r = 0;

    if (text == NULL) {
        number = default_number(row);
    } else {
        r = opt_value_parse(row, prefix, text, &number);
        if (r < 0)
            return r;
        copy = strdup(text);
        if (copy == NULL)
            return log_error(-ENOMEM, "%s%s", prefix, row->name);
    }
    free(value->text);
    *value = (struct opts_value){.text = copy, .number = number};
    return 0;
}

int opts_set(struct opts *opts, const char *prefix, const char *key, const char *text)
{
    const struct opt *row = opt_find(opts->table, key);

    if (row == NULL)
        return key_unknown(opts, prefix, key, "");
    return row_set(opts, row, prefix, text);
}

/* What a row means when it is named without a value; NULL: it needs one. */
static const char *row_bare(const struct opt *row)
{
    return row->bare != NULL ? row->bare : row->type == OPT_BOOL ? "on" : NULL;
}

/* Cuts one value off the front of *cursor and unquotes it in place. *cursor is then behind its
 * comma, or NULL at the end. */
static int value_cut(char **cursor, const char *prefix, const char *key, char **ret_value)
{
    char *in = *cursor, *out = *cursor;
    bool quoted = *in == '\'';
    char mark = quoted ? '\'' : ',';

    *ret_value = out;
    if (quoted)
        in++;
    while (*in != '\0' && (in[0] != mark || in[1] == mark)) {
        if (*in == mark)
            in++; /* twice stands for once */
        *out++ = *in++;
    }
    if (quoted && *in == '\0')
        return opts_error("%s%s: the quote is not closed; end the value with '", prefix, key);
    if (quoted && *++in != ',' && *in != '\0')
        return opts_error("%s%s: text after the closing quote; put a comma there, or write '' for "
                          "a quote in the value",
                          prefix, key);
    *cursor = *in == ',' ? in + 1 : NULL;
    *out = '\0';
    return 0;
}

/* Cuts "key" or "key=value" off *cursor; *ret_value is NULL for the first. */
static int pair_cut(char **cursor, const char *prefix, char **ret_key, char **ret_value)
{
    char *key = *cursor, *end = key + strcspn(key, "=,"), *value = NULL;
    char ended_by = *end;
    int r = 0;

    *end = '\0';
    if (*key == '\0')
        return opts_error("%sa key is missing %s; write key=value,key=value", prefix,
                          ended_by == '=' ? "before =" : "at a comma");
    *cursor = ended_by == '\0' ? NULL : end + 1;
    if (ended_by == '=')
        r = value_cut(cursor, prefix, key, &value);
    if (r < 0)
        return r;
    *ret_key = key;
    *ret_value = value;
    return 0;
}

/* Sets one pair of "key=value,...". *seen has a bit for each row set by this text. */
static int pair_set(struct opts *opts, const char *prefix, const char *key, const char *value,
                    uint64_t *seen)
{
    const struct opt *row = opt_find(opts->table, key);
    uint64_t bit;

    _Static_assert(OPTS_ROWS_MAX <= 64, "a bit for each row");
    if (row == NULL)
        return key_unknown(opts, prefix, key,
                           *seen != 0 ? " (a comma in a value is written ,,)" : "");
    bit = UINT64_C(1) << (row - opts->table);
    if ((*seen & bit) != 0)
        return opts_error("%s%s: given twice; give it once", prefix, key);
    *seen |= bit;
    if (value == NULL)
        value = row_bare(row);
    if (value == NULL)
        return opts_error("%s%s: needs a value; write %s=VALUE", prefix, key, key);
    return row_set(opts, row, prefix, value);
}

int opts_parse(struct opts *opts, const char *prefix, const char *text)
{
    auto_free char *copy = NULL;
    char *cursor, *key, *value;
    uint64_t seen = 0;
    int r = 0;

    if (strnlen(text, OPTS_TEXT_BYTES_MAX + 1) > OPTS_TEXT_BYTES_MAX)
        return opts_error("%stoo long; at most %d bytes are taken", prefix, OPTS_TEXT_BYTES_MAX);
    copy = strdup(text);
    if (copy == NULL)
        return log_error(-ENOMEM, "%soptions", prefix);
    cursor = *copy != '\0' ? copy : NULL;
    while (r == 0 && cursor != NULL) { /* each turn cuts a byte at least */
        r = pair_cut(&cursor, prefix, &key, &value);
        if (r == 0)
            r = pair_set(opts, prefix, key, value, &seen);
    }
    return r;
}

int opts_take(struct opts *opts, char *const argv[], int *index, const struct opt **ret_row)
{
    const char *word = argv[*index];
    const struct opt *row = NULL;
    const char *value;
    int next = *index + 1, r;
    size_t len;

    if (strncmp(word, "--", 2) != 0)
        return 0;
    word += 2;
    len = strcspn(word, "=");
    for (size_t i = 0; i < opts->count && row == NULL; i++)
        if (strncmp(opts->table[i].name, word, len) == 0 && opts->table[i].name[len] == '\0')
            row = &opts->table[i];
    if (row == NULL)
        return 0;
    value = word[len] == '=' ? word + len + 1 : row_bare(row);
    if (value == NULL) {
        value = argv[next];
        if (value == NULL || strncmp(value, "--", 2) == 0)
            return opts_error("--%s: needs a value; write --%s=VALUE", row->name, row->name);
        next++;
    }
    r = row_set(opts, row, "--", value);
    if (r < 0)
        return r;
    *index = next;
    *ret_row = row;
    return 1;
}

int opts_check(const struct opts *opts, const char *prefix)
{
    char wants[OPT_WANTS_SIZE];

    for (size_t i = 0; i < opts->count; i++) {
        const struct opt *row = &opts->table[i];
        if ((row->flags & OPT_REQUIRED) != 0 && opts->values[i].text == NULL)
            return opts_error("%s%s: missing; give %s (%s)", prefix, row->name,
                              opt_wants(row, wants), row->help);
    }
    return 0;
}

/* Whether device i has in row n what none before it has. */
static bool is_unique(struct opts *const *items, unsigned i, size_t n)
{
    const char *text = items[i]->values[n].text;

    for (unsigned k = 0; k < i && text != NULL; k++)
        if (items[k]->values[n].text != NULL && strcmp(items[k]->values[n].text, text) == 0)
            return false;
    return true;
}

int opts_check_unique(struct opts *const *items, unsigned count, const char *kind)
{
    char quote[TEXT_QUOTE_SIZE];

    for (unsigned i = 0; i < count; i++)
        for (size_t n = 0; n < items[i]->count; n++)
            if ((items[i]->table[n].flags & OPT_UNIQUE) != 0 && !is_unique(items, i, n))
                return opts_error("--%s %s: two have %s; give each one of its own", kind,
                                  items[i]->table[n].name,
                                  text_quote(quote, items[i]->values[n].text));
    return 0;
}

/* -- reading -- */

static const struct opts_value *value_of(const struct opts *opts, const char *key,
                                         const struct opt **ret_row)
{
    const struct opt *row = opt_find(opts->table, key);

    assert(row != NULL);
    *ret_row = row;
    return &opts->values[row - opts->table];
}

static uint64_t number_of(const struct opts *opts, const char *key, enum opt_type type)
{
    const struct opt *row;
    const struct opts_value *value = value_of(opts, key, &row);

    assert(row->type == type);
    return value->number;
}

bool opts_given(const struct opts *opts, const char *key)
{
    const struct opt *row;

    return value_of(opts, key, &row)->text != NULL;
}

bool opts_has(const struct opts *opts, const char *key)
{
    const struct opt *row;

    return value_of(opts, key, &row)->text != NULL || row->value != NULL;
}

const char *opts_str(const struct opts *opts, const char *key)
{
    const struct opt *row;
    const struct opts_value *value = value_of(opts, key, &row);

    assert(row->type == OPT_STRING || row->type == OPT_PATH || row->type == OPT_NAME ||
           row->type == OPT_CHOICE);
    return value->text != NULL ? value->text : row->value;
}

uint64_t opts_u64(const struct opts *opts, const char *key)
{
    return number_of(opts, key, OPT_INT);
}

uint64_t opts_bytes(const struct opts *opts, const char *key)
{
    return number_of(opts, key, OPT_SIZE);
}

uint64_t opts_ns(const struct opts *opts, const char *key)
{
    return number_of(opts, key, OPT_DURATION);
}

bool opts_bool(const struct opts *opts, const char *key)
{
    return number_of(opts, key, OPT_BOOL) != 0;
}

size_t opts_choice(const struct opts *opts, const char *key)
{
    return (size_t)number_of(opts, key, OPT_CHOICE);
}

const char *opts_choice_arg(const struct opts *opts, const char *key)
{
    const struct opt *row;
    const struct opts_value *value = value_of(opts, key, &row);
    const char *text, *colon;

    assert(row->type == OPT_CHOICE);
    text = value->text != NULL ? value->text : row->value;
    colon = text == NULL ? NULL : strchr(row->choices[value->number], ':');
    return colon == NULL ? "" : text + (colon - row->choices[value->number]) + 1;
}

/* -- telling -- */

static void value_text(FILE *out, const char *name, const char *value)
{
    (void)fprintf(out, "%s='", name);
    for (; *value != '\0'; value++) {
        if (*value == '\'')
            (void)fputc('\'', out); /* twice: one within the value */
        (void)fputc(*value, out);
    }
    (void)fputc('\'', out);
}

char *opts_text(const struct opts *opts, const struct opt *rows)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    bool first = true;

    if (out == NULL)
        return NULL;
    for (size_t i = 0; i < opts->count; i++) {
        if (opts->values[i].text == NULL || opt_find(rows, opts->table[i].name) == NULL)
            continue;
        if (!first)
            (void)fputc(',', out);
        first = false;
        value_text(out, opts->table[i].name, opts->values[i].text);
    }
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

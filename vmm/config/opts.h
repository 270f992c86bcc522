/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Options: a table of rows says what can be set; the row gives the parser, the check, the --help
 * line, the JSON key and the manual entry. A `struct opts` is such a table with values. Main
 * thread.
 *
 * Two ways to write options, one meaning:
 *
 *   --snd host=file,path=a.wav      a device: the value of --snd is "key=value,key=value,..."
 *   --mem 512M   --mem=512M         a command: each row is an option of its own
 *
 * In "key=value,..." a value ends at a comma. A comma inside a value is written twice, or the value
 * stands in single quotes (a quote inside them is written twice). These two are the same:
 *
 *   expect=freq=440,,tol=1          expect='freq=440,tol=1'
 *
 * A yes/no key may stand alone (`loop` for `loop=on`); a key given twice is refused.
 *
 * What is wrong with a value is logged here, in one line that begins with `prefix` and the key, as
 * "--snd path: ..." (prefix "--snd ") or "vm.json: snd[0].path: ..." (prefix "vm.json: snd[0].").
 * -EINVAL means "said, and the user's fault" (exit status 35), -ENOMEM is said too.
 */
#pragma once

#include "vmm/base/base.h"
#include "vmm/base/log.h"

#include <stdio.h>

enum opt_type {
    OPT_STRING = 0, /* any clean text (text_is_clean), may be empty; max: length in bytes */
    OPT_PATH,       /* a file: clean text, not empty, shorter than PATH_MAX */
    OPT_NAME,       /* letters, digits, '.', '_', '-'; begins with a letter or digit; up to 64 */
    OPT_INT,        /* whole number, decimal; min, max */
    OPT_SIZE,       /* bytes: 4096, 64K, 512M, 6G, 1T (powers of 1024); min, max, multiple */
    OPT_DURATION,   /* 1500ms, 30s, 5m, 2h; a plain number is seconds; min, max in ns */
    OPT_BOOL,       /* on, off (also yes, no, true, false) */
    OPT_CHOICE,     /* one of choices */
};

enum opt_flags {
    OPT_REQUIRED = 1,     /* opts_check() refuses when it was not given */
    OPT_PLAIN_MIB = 2,    /* OPT_SIZE: a plain number counts MiB, as in other VMMs' memory option */
    OPT_COMMAND_LINE = 4, /* not part of a configuration: no JSON key, never printed */
    OPT_POSITIONAL =
        8, /* also (and in --help first of all) the plain argument; a device's: its first value */
    OPT_UNIQUE = 16,   /* no two devices of a kind may have the same: see opts_check_unique() */
    OPT_ALL_CPUS = 32, /* OPT_INT: "all" is the number of CPUs that this process may run on */
    OPT_TOLD_ELSEWHERE = 64, /* no row of --help: another one tells of it */
};

/* A row. Tables end with {0}; at most OPTS_ROWS_MAX rows. Names: lower case, digits, '-'. */
struct opt {
    const char *name;
    const char *value; /* default, as the user would write it; NULL: none */
    const char *help;  /* what it is for, without range and default: those are added */
    enum opt_type type;
    unsigned flags;    /* of enum opt_flags */
    uint64_t min, max; /* inclusive; max 0: the type's own limit */
    uint64_t multiple; /* OPT_SIZE: must be a multiple of this many bytes; 0: any */
    /* OPT_CHOICE: the words, ends with NULL. "file:PATH" is the word "file:" with text after it. */
    const char *const *choices;
    const char *arg;   /* what --help calls the value; NULL: by type */
    const char *bare;  /* value when given without one; NULL: needs one (OPT_BOOL: on) */
    const char *group; /* heading before this row in --help; NULL: as the row above */
};

#define OPTS_ROWS_MAX       64
#define OPTS_KEY_BYTES_MAX  32
#define OPTS_TEXT_BYTES_MAX 65536 /* one "key=value,..." */
#define OPTS_VALUE_MAX      4095  /* one value, in bytes, where the row says nothing */

struct opts_value {
    char *text; /* owned; as the user wrote it; NULL: not given, the row's default holds */
    /* OPT_INT: itself, OPT_SIZE: bytes, OPT_DURATION: ns, OPT_BOOL: 0 or 1, OPT_CHOICE: index */
    uint64_t number;
};

/* Read through the getters below. */
struct opts {
    const struct opt *table; /* borrowed */
    size_t count;            /* rows, without the last */
    struct opts_value values[];
};

/* Makes options that all have their defaults. A table that contradicts itself is our bug: asserts.
 */
int opts_create(const struct opt *table, struct opts **ret_opts);
/* Accepts NULL. */
void opts_destroy(struct opts *opts);

/* -- setting, from what a user wrote -- */

/* Sets one key from text, replacing what was set before; text NULL: back to the default. On failure
 * the value is as before. */
int opts_set(struct opts *opts, const char *prefix, const char *key, const char *text);
/* Sets keys from "key=value,...". On failure keys before the wrong one are set. "" sets nothing. */
int opts_parse(struct opts *opts, const char *prefix, const char *text);
/* Takes the option at argv[*index] ("--key", "--key=value" or "--key value"; argv ends with NULL)
 * if its key is in the table: 1, *index behind it, its row in *ret_row. 0 if it is not. -EINVAL,
 * -ENOMEM. */
int opts_take(struct opts *opts, char *const argv[], int *index, const struct opt **ret_row);
/* 0 if all required keys were given, else -EINVAL. */
int opts_check(const struct opts *opts, const char *prefix);

/* 0 if devices of a kind differ where they must (OPT_UNIQUE), else -EINVAL. */
int opts_check_unique(struct opts *const *items, unsigned count, const char *kind);

/* Logs what is wrong with something a user wrote; -EINVAL, whose own text would add nothing. */
#define opts_error(...) log_plain(-EINVAL, __VA_ARGS__)

/* -- reading. An unknown key, or one of another type, is our bug: asserts -- */

/* True if there is a value, given or by default. */
bool opts_has(const struct opts *opts, const char *key);
/* True if the user gave one. */
bool opts_given(const struct opts *opts, const char *key);
/* The value as text, lives as long as opts; NULL if none. OPT_STRING, _PATH, _NAME, _CHOICE. */
const char *opts_str(const struct opts *opts, const char *key);
/* OPT_INT, OPT_SIZE in bytes, OPT_DURATION in ns; 0 if there is no value. */
uint64_t opts_u64(const struct opts *opts, const char *key);
uint64_t opts_bytes(const struct opts *opts, const char *key);
uint64_t opts_ns(const struct opts *opts, const char *key);
/* False if there is no value. */
bool opts_bool(const struct opts *opts, const char *key);
/* Index in the row's choices; 0 if there is no value. */
size_t opts_choice(const struct opts *opts, const char *key);
/* What follows the colon of a choice such as "file:PATH"; "" for a choice without. */
const char *opts_choice_arg(const struct opts *opts, const char *key);

/* -- telling -- */

/* What was given of the keys in `rows`, as opts_parse() reads it: "key='value',...". The caller's
 * to free; NULL: no memory. */
char *opts_text(const struct opts *opts, const struct opt *rows);

/* The row of a key, or NULL. table may be NULL: no rows. */
const struct opt *opt_find(const struct opt *table, const char *key);

#define OPT_NUMBER_SIZE 24
/* A size or duration in the largest unit that is exact, as "512M", "1500ms"; an integer plainly.
 * Reads back to the same number for any row of that type. Returns buf. */
const char *opt_number_text(const struct opt *row, uint64_t number, char buf[OPT_NUMBER_SIZE]);

/* The bounds of a number's row, as "16M to 1T"; "" if it has none. Returns buf. */
#define OPT_RANGE_SIZE 64
const char *opt_range(const struct opt *row, char buf[OPT_RANGE_SIZE]);
/* What a row takes, to end "give ...": "a whole number, 1 to 64". Returns buf. */
#define OPT_WANTS_SIZE 256
const char *opt_wants(const struct opt *row, char buf[OPT_WANTS_SIZE]);
/* Decimal digits and a unit, for a row of a number's type: 0, -EINVAL if it is not that, -ERANGE if
 * out of the row's bounds, -EDOM if not one of its multiples. Says nothing. */
int opt_number_parse(const struct opt *row, const char *text, uint64_t *ret_number);
/* Checks text as a value of row; its number (see struct opts_value) if the type has one. 0, or
 * -EINVAL after saying why. */
int opt_value_parse(const struct opt *row, const char *prefix, const char *text,
                    uint64_t *ret_number);

/* One entry of --help, wrapped: `left` (an option with its argument) and what it does. */
void opts_help_row(FILE *out, unsigned indent, const char *left, const char *right);
/* --help of each row: as options ("--mem SIZE", with headings) or as keys ("source=FILE"). */
void opts_help_options(FILE *out, const struct opt *table);
void opts_help_keys(FILE *out, const struct opt *table);
/* The same as a Markdown table: option or key, value, default, meaning. */
void opts_help_markdown(FILE *out, const struct opt *table, bool as_options);

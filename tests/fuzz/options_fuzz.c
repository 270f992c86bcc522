/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes what a user writes: the first byte says how it is written, the rest is it.
 *
 *   c  words of a command line, one a line     j  a JSON file     k  "key=value,..." of a device
 *
 * Beyond memory safety: input is taken, or refused as the user's mistake; what was taken prints as
 * JSON that reads back and prints to the same bytes.
 */
#include "tests/fuzz/fuzz.h"
#include "vmm/config/config.h"

#include <string.h>

#define WORDS_MAX  64
#define PRINT_SIZE ((size_t)1 << 22)
#define FILE_SIZE  ((size_t)1 << 20)

static const char *const hosts[] = {"alsa", "file:PATH", "null", NULL};
static const struct opt keys[] = {
    {.name = "host", .value = "null", .help = "where", .type = OPT_CHOICE, .choices = hosts},
    {.name = "path", .help = "file", .type = OPT_PATH},
    {.name = "label", .help = "name", .type = OPT_NAME},
    {.name = "rate", .value = "48000", .help = "rate", .type = OPT_INT, .min = 1, .max = 768000},
    {.name = "big", .help = "number", .type = OPT_INT},
    {.name = "size", .value = "64K", .help = "bytes", .type = OPT_SIZE},
    {.name = "wait", .value = "20ms", .help = "time", .type = OPT_DURATION},
    {.name = "loop", .help = "again", .type = OPT_BOOL},
    {.name = "mix", .value = "on", .help = "mixed", .type = OPT_BOOL},
    {.name = "expect", .help = "text"},
    {0},
};
static const struct opt required_keys[] = {
    {.name = "path", .help = "image", .type = OPT_PATH, .flags = OPT_REQUIRED},
    {0},
};
static const struct config_device_kind kinds[] = {
    {"snd", "a sound device", keys, 4},
    {"disk", "a disk", required_keys, 2},
    {"plain", "no keys", NULL, 1},
    {0},
};

static struct config *make(void)
{
    struct config *config = NULL;

    must(config_create(kinds, &config) == 0, "a configuration is made");
    return config;
}

/* What config_print() writes; the caller frees it. */
static char *print(const struct config *config)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    must(out != NULL, "memory for the text");
    must(config_print(config, out) == 0, "what was taken can be printed");
    must(fclose(out) == 0 && size < PRINT_SIZE, "what is printed is bounded");
    return text;
}

/* Prints, reads back, prints again. Longer than a file may be happens only to a fuzzer. */
static void check_round_trip(const struct config *config)
{
    auto_free char *first = print(config);
    struct config *copy = make();

    if (strlen(first) <= FILE_SIZE) {
        must(config_load_json(copy, "printed", first, strlen(first)) == 0, "it reads back");
        auto_free char *second = print(copy);
        must(strcmp(first, second) == 0, "it prints to the same bytes");
    }
    config_destroy(copy);
}

/* Words that name a file to read are left out: what is in this host's files is not the input. */
static int parse_words(struct config *config, char *text)
{
    char *argv[WORDS_MAX + 1] = {NULL}, *word;
    size_t count = 0;

    while (count < WORDS_MAX && (word = strsep(&text, "\n")) != NULL)
        if (strncmp(word, "--config", 8) != 0)
            argv[count++] = word;
    return config_parse_args(config, argv);
}

static int parse_keys(struct config *config, const char *text)
{
    struct opts *opts = NULL;

    must(config_add_device(config, 0, "snd", &opts) == 0, "a device is added");
    return opts_parse(opts, "--snd ", text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = size > 0 ? calloc(1, size) : NULL; /* the last byte ends it */
    struct config *config;
    int r;

    if (text == NULL)
        return 0;
    memcpy(text, data + 1, size - 1);
    config = make();
    if (data[0] == 'c')
        r = parse_words(config, text);
    else if (data[0] == 'j')
        r = config_load_json(config, "fuzz.json", text, size - 1);
    else
        r = parse_keys(config, text);
    must(r == 0 || r == -EINVAL, "input is taken, or refused as a mistake");
    if (r == 0)
        check_round_trip(config);
    config_destroy(config);
    free(text);
    return 0;
}

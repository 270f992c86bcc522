/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command line of `linnet run`. Its options are run_options.c, JSON is config_json.c's. See
 * config.h.
 */
#include "vmm/config/config.h"
#include "vmm/base/text.h"

#include <string.h>

int config_create(const struct config_device_kind *kinds, struct config **ret_config)
{
    struct config *config;
    size_t count = 0;
    int r = 0;

    while (kinds[count].name != NULL) {
        assert(opt_find(run_options, kinds[count].name) == NULL);
        assert(strlen(kinds[count].name) <= OPTS_KEY_BYTES_MAX);
        assert(kinds[count].count_max > 0);
        count++;
    }
    config = calloc(1, sizeof(*config) + count * sizeof(config->devices[0]));
    if (config == NULL)
        return log_error(-ENOMEM, "configuration");
    config->kinds = kinds;
    config->kinds_count = count;
    r = opts_create(run_options, &config->options);
    for (size_t i = 0; i < count && r == 0; i++) {
        config->devices[i].items = calloc(kinds[i].count_max, sizeof(struct opts *));
        if (config->devices[i].items == NULL)
            r = log_error(-ENOMEM, "configuration");
    }
    if (r < 0) {
        config_destroy(config);
        return r;
    }
    *ret_config = config;
    return 0;
}

static void devices_fini(struct config_devices *devices)
{
    if (devices->items == NULL)
        return;
    for (unsigned i = 0; i < devices->count; i++)
        opts_destroy(devices->items[i]);
    free(devices->items);
}

void config_destroy(struct config *config)
{
    if (config == NULL)
        return;
    for (size_t i = 0; i < config->kinds_count; i++)
        devices_fini(&config->devices[i]);
    opts_destroy(config->options);
    free(config);
}

/* -- devices -- */

int config_add_device(struct config *config, size_t kind, const char *where, struct opts **ret_opts)
{
    const struct config_device_kind *row = &config->kinds[kind];
    struct config_devices *devices = &config->devices[kind];
    int r;

    if (devices->count >= row->count_max)
        return opts_error("%s: one too many; a machine has at most %u of %s", where, row->count_max,
                          row->name);
    r = opts_create(row->opts, &devices->items[devices->count]);
    if (r < 0)
        return r;
    *ret_opts = devices->items[devices->count++];
    return 0;
}

static const struct config_devices *devices_of(const struct config *config, const char *kind)
{
    size_t i = 0;

    while (i < config->kinds_count && strcmp(config->kinds[i].name, kind) != 0)
        i++;
    assert(i < config->kinds_count);
    return &config->devices[i];
}

unsigned config_count(const struct config *config, const char *kind)
{
    return devices_of(config, kind)->count;
}

const struct opts *config_device(const struct config *config, const char *kind, unsigned index)
{
    const struct config_devices *devices = devices_of(config, kind);

    assert(index < devices->count);
    return devices->items[index];
}

/* -- the command line -- */

/*
 * True if the word behind a device's option is its value. It is when it has the form "key=...", or
 * begins with a key of that kind ("loop,..." or "loop"); else the device takes its defaults and the
 * word is the next on its own: `--rng bzImage`.
 */
static bool is_device_value(const struct config_device_kind *kind, const char *word)
{
    size_t len = word == NULL ? 0 : strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789-_");

    if (len == 0 || word[0] == '-')
        return false;
    if (word[len] == '=')
        return true;
    if (word[len] != ',' && word[len] != '\0')
        return false;
    for (const struct opt *row = kind->opts; row != NULL && row->name != NULL; row++)
        if (strncmp(row->name, word, len) == 0 && row->name[len] == '\0')
            return true;
    return false;
}

/* The key whose value a device of that kind may have in the place of its first "key=value":
 * `--dtbo FILE`. */
static const struct opt *plain_key(const struct config_device_kind *kind)
{
    for (const struct opt *row = kind->opts; row != NULL && row->name != NULL; row++)
        if ((row->flags & OPT_POSITIONAL) != 0)
            return row;
    return NULL;
}

int config_parse_device(const struct config_device_kind *kind, struct opts *opts,
                        const char *prefix, const char *value)
{
    const struct opt *plain = plain_key(kind);
    auto_free char *text = NULL;

    if (kind->plain && value[0] != '\0')
        return opts_set(opts, prefix, plain->name, value);
    if (plain == NULL || value[0] == '\0' || is_device_value(kind, value))
        return opts_parse(opts, prefix, value);
    if (asprintf(&text, "%s=%s", plain->name, value) < 0) {
        text = NULL;
        return log_error(-ENOMEM, "%soptions", prefix);
    }
    return opts_parse(opts, prefix, text);
}

/* Takes "--kind", "--kind=keys" or "--kind keys" at argv[*index]: 1, or 0 if it is none. */
static int take_device(struct config *config, char *const argv[], int *index)
{
    const char *word = argv[*index] + 2;
    size_t len = strcspn(word, "="), kind = 0;
    const char *value = "";
    char where[64], prefix[64];
    const struct opt *plain;
    struct opts *opts;
    int r, next = *index + 1;

    while (kind < config->kinds_count && (strncmp(config->kinds[kind].name, word, len) != 0 ||
                                          config->kinds[kind].name[len] != '\0'))
        kind++;
    if (kind == config->kinds_count)
        return 0;
    plain = plain_key(&config->kinds[kind]);
    if (word[len] == '=')
        value = word + len + 1;
    else if (is_device_value(&config->kinds[kind], argv[next]) ||
             (plain != NULL && argv[next] != NULL && argv[next][0] != '-'))
        value = argv[next++];
    (void)snprintf(where, sizeof(where), "--%s", config->kinds[kind].name);
    (void)snprintf(prefix, sizeof(prefix), "--%s ", config->kinds[kind].name);
    r = config_add_device(config, kind, where, &opts);
    if (r == 0)
        r = config_parse_device(&config->kinds[kind], opts, prefix, value);
    if (r == 0)
        r = opts_check(opts, prefix);
    *index = next;
    return r < 0 ? r : 1;
}

static int option_unknown(const struct config *config, const char *word)
{
    char quote[TEXT_QUOTE_SIZE], name[TEXT_QUOTE_BYTES_MAX];
    struct text_nearest nearest;

    (void)text_quote(quote, word);
    word += strspn(word, "-");
    (void)snprintf(name, sizeof(name), "%.*s", (int)MIN(strcspn(word, "="), sizeof(name)), word);
    text_nearest_init(&nearest, name);
    for (const struct opt *row = run_options; row->name != NULL; row++)
        text_nearest_offer(&nearest, row->name);
    for (size_t i = 0; i < config->kinds_count; i++)
        text_nearest_offer(&nearest, config->kinds[i].name);
    if (nearest.best == NULL)
        return opts_error("%s: no such option; --help lists all", quote);
    return opts_error("%s: no such option; did you mean --%s?", quote, nearest.best);
}

/* The plain word is the kernel; a second one is most often a value that lost its quotes. */
static int take_kernel(struct config *config, const char *word, const char **kernel)
{
    char first[TEXT_QUOTE_SIZE], second[TEXT_QUOTE_SIZE];

    if (*kernel != NULL)
        return opts_error("KERNEL: given twice, %s and %s; put a value with spaces in quotes",
                          text_quote(first, *kernel), text_quote(second, word));
    *kernel = word;
    return opts_set(config->options, "", "kernel", word);
}

/* Takes the option at argv[*index]; *ret_done when the rest does not matter. */
static int take_option(struct config *config, char *const argv[], int *index, bool *ret_done)
{
    const struct opt *row = NULL;
    int r;

    r = opts_take(config->options, argv, index, &row);
    if (r == 0)
        r = strncmp(argv[*index], "--", 2) == 0 ? take_device(config, argv, index) : 0;
    if (r == 0)
        return option_unknown(config, argv[*index]);
    if (r < 0)
        return r;
    if (row != NULL && strcmp(row->name, "config") == 0)
        return config_load_file(config, opts_str(config->options, "config"));
    *ret_done = opts_has(config->options, "help") || opts_bool(config->options, "version");
    return 0;
}

int config_parse_args(struct config *config, char *const argv[])
{
    const char *kernel = NULL;
    bool done = false;
    int r = 0;

    for (int i = 0; r == 0 && argv[i] != NULL;) {
        if (strcmp(argv[i], "--") == 0) {
            config->command = argv[i + 1] == NULL ? NULL : argv + i + 1;
            break;
        }
        if (argv[i][0] == '-' && argv[i][1] != '\0')
            r = take_option(config, argv, &i, &done);
        else
            r = take_kernel(config, argv[i++], &kernel);
        if (r == 0 && done)
            return 0;
    }
    if (r < 0 || opts_bool(config->options, "print-config"))
        return r;
    if (!opts_given(config->options, "kernel") && config->command == NULL)
        return opts_error("KERNEL: missing; name the kernel to boot, as in linnet run bzImage");
    for (size_t i = 0; i < config->kinds_count && r == 0; i++)
        r = opts_check_unique(config->devices[i].items, config->devices[i].count,
                              config->kinds[i].name);
    return r;
}

/* -- telling -- */

void config_help(const struct config_device_kind *kinds, FILE *out)
{
    char left[64], right[256];

    (void)fputs("Usage: linnet run [options] KERNEL\n"
                "       linnet run [options] [KERNEL] -- CMD ARGS\n\n"
                "Boots KERNEL in a virtual machine; its serial console is this terminal. With a\n"
                "command: runs that in the machine, where it sees this host's files, and its\n"
                "changes vanish; its input, output and exit status are linnet's. KERNEL may then\n"
                "be a build tree or a release, too; if left out it is the newest in /boot.\n\n"
                "Write options as --mem 1G or --mem=1G; one given again replaces what it was.\n\n",
                out);
    opts_help_options(out, run_options);
    (void)fputs("\nDevices; each adds one, as --KIND key=value,key=value. In a value, write a\n"
                "comma as ,, or put the value in single quotes.\n",
                out);
    for (; kinds->name != NULL; kinds++) {
        (void)snprintf(left, sizeof(left), "--%s%s", kinds->name,
                       kinds->opts != NULL && kinds->opts->name != NULL ? " KEYS" : "");
        (void)snprintf(right, sizeof(right), "%s (up to %u)", kinds->help, kinds->count_max);
        opts_help_row(out, 2, left, right);
        opts_help_keys(out, kinds->opts);
    }
    (void)fputs("\nExit status: 0 the guest powered off, 1 the host or linnet failed, 32 guest\n"
                "reset, 33 guest crashed, 34 guest panicked, 35 bad arguments, 36 watchdog,\n"
                "37 time limit, 38 an expectation failed; with a command its own, or 125 to 127.\n",
                out);
}

void config_help_markdown(const struct config_device_kind *kinds, FILE *out)
{
    (void)fputs("### Options\n\n", out);
    opts_help_markdown(out, run_options, true);
    for (; kinds->name != NULL; kinds++) {
        (void)fprintf(out, "\n### `--%s`: %s (up to %u)\n\n", kinds->name, kinds->help,
                      kinds->count_max);
        if (kinds->opts != NULL && kinds->opts->name != NULL)
            opts_help_markdown(out, kinds->opts, false);
        else
            (void)fputs("No keys.\n", out);
    }
}

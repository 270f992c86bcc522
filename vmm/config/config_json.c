/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The configuration as JSON: reading and writing (RFC 8259, by jansson). An object's keys are the
 * rows of the tables; a row's type says which JSON values it takes. A text in JSON means what it
 * means on the command line, so both go through opts_set(). See config.h.
 */
#include "vmm/base/text.h"
#include "vmm/config/config.h"

#include <jansson.h>
#include <string.h>

#define FILE_BYTES_MAX ((size_t)1 << 20)
#define NAME_BYTES_MAX 160 /* of a file's name, as messages show it */
#define PREFIX_SIZE    256 /* "name: kind[index]." */

/* -- reading -- */

static const char *type_name(const json_t *value)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "a list",
        [JSON_STRING] = "a string",  [JSON_INTEGER] = "a whole number",
        [JSON_REAL] = "a fraction",  [JSON_TRUE] = "true",
        [JSON_FALSE] = "false",      [JSON_NULL] = "null",
    };

    return names[json_typeof(value)];
}

/* True if a row takes this type of JSON value; which value, its text decides. */
static bool type_fits(const struct opt *row, const json_t *value)
{
    switch (row->type) {
    case OPT_BOOL:
        return json_is_boolean(value);
    case OPT_INT:
        return json_is_integer(value) ||
               ((row->flags & OPT_ALL_CPUS) != 0 && json_is_string(value) &&
                strcmp(json_string_value(value), "all") == 0);
    case OPT_SIZE:
    case OPT_DURATION:
        return json_is_integer(value) || json_is_string(value);
    default:
        return json_is_string(value);
    }
}

static int type_error(const char *prefix, const struct opt *row, const json_t *value)
{
    char wants[OPT_WANTS_SIZE];
    const char *form = row->type == OPT_INT ? "" : "a string: ";

    if (row->type == OPT_BOOL)
        return opts_error("%s%s: is %s; give true or false", prefix, row->name, type_name(value));
    return opts_error("%s%s: is %s; give %s%s", prefix, row->name, type_name(value), form,
                      opt_wants(row, wants));
}

/* Sets one key. null is "no value", for rows that have none by default. */
static int value_read(struct opts *opts, const char *prefix, const struct opt *row,
                      const json_t *value)
{
    char number[OPT_NUMBER_SIZE];

    if (json_is_null(value) && row->value == NULL)
        return opts_set(opts, prefix, row->name, NULL);
    if (!type_fits(row, value))
        return type_error(prefix, row, value);
    if (json_is_string(value))
        return opts_set(opts, prefix, row->name, json_string_value(value));
    if (json_is_boolean(value))
        return opts_set(opts, prefix, row->name, json_is_true(value) ? "on" : "off");
    (void)snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    return opts_set(opts, prefix, row->name, number);
}

/* One device: an object of its kind's keys. `where` is "vm.json: snd[0]". */
static int device_read(struct config *config, size_t kind, const char *where, json_t *object)
{
    char prefix[PREFIX_SIZE + 1];
    struct opts *opts;
    const char *key;
    json_t *value;
    int r;

    if (!json_is_object(object))
        return opts_error("%s: is %s; give an object of the device's keys, as {\"key\": ...}",
                          where, type_name(object));
    r = config_add_device(config, kind, where, &opts);
    if (r < 0)
        return r;
    (void)snprintf(prefix, sizeof(prefix), "%s.", where);
    json_object_foreach(object, key, value)
    {
        const struct opt *row = opt_find(opts->table, key);
        /* Without a row opts_set() fails, and says which keys there are. */
        r = row != NULL ? value_read(opts, prefix, row, value) : opts_set(opts, prefix, key, NULL);
        if (r < 0)
            return r;
    }
    return opts_check(opts, prefix);
}

static int devices_read(struct config *config, size_t kind, const char *prefix, json_t *list)
{
    const char *name = config->kinds[kind].name;
    char where[PREFIX_SIZE];
    int r = 0;

    if (!json_is_array(list))
        return opts_error("%s%s: is %s; give a list of objects, as [{\"key\": ...}]", prefix, name,
                          type_name(list));
    for (unsigned i = 0; i < json_array_size(list) && r == 0; i++) {
        (void)snprintf(where, sizeof(where), "%.200s%.32s[%u]", prefix, name, i);
        r = device_read(config, kind, where, json_array_get(list, i));
    }
    return r;
}

static int key_unknown(const struct config *config, const char *prefix, const char *key)
{
    char quote[TEXT_QUOTE_SIZE];
    struct text_nearest nearest;
    const struct opt *row = opt_find(config->options->table, key);

    if (row != NULL)
        return opts_error("%s%s: is for the command line only; take it out", prefix, key);
    (void)text_quote(quote, key);
    text_nearest_init(&nearest, key);
    for (row = config->options->table; row->name != NULL; row++)
        if ((row->flags & OPT_COMMAND_LINE) == 0)
            text_nearest_offer(&nearest, row->name);
    for (size_t i = 0; i < config->kinds_count; i++)
        text_nearest_offer(&nearest, config->kinds[i].name);
    if (nearest.best == NULL)
        return opts_error("%s%s: no such key; `linnet run --help` lists all, without --", prefix,
                          quote);
    return opts_error("%s%s: no such key; did you mean \"%s\"?", prefix, quote, nearest.best);
}

static int config_read(struct config *config, const char *prefix, json_t *root)
{
    const char *key;
    json_t *value;
    int r;

    if (!json_is_object(root))
        return opts_error("%sis %s; give an object, as {\"kernel\": ...}", prefix, type_name(root));
    json_object_foreach(root, key, value)
    {
        const struct opt *row = opt_find(config->options->table, key);
        size_t kind = 0;

        while (kind < config->kinds_count && strcmp(config->kinds[kind].name, key) != 0)
            kind++;
        if (kind < config->kinds_count)
            r = devices_read(config, kind, prefix, value);
        else if (row != NULL && (row->flags & OPT_COMMAND_LINE) == 0)
            r = value_read(config->options, prefix, row, value);
        else
            r = key_unknown(config, prefix, key);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Says why jansson refused the text. Its words for a NUL name a flag of its API. When memory runs
 * out it may blame the text instead; malloc() tells by errno, which the caller cleared. */
static int parse_error(const char *name, const json_error_t *error)
{
    enum json_error_code code = json_error_code(error);
    bool nul = code == json_error_null_character || code == json_error_null_byte_in_key;

    if (errno == ENOMEM)
        return log_error(-ENOMEM, "%s", name);
    return opts_error("%s:%d:%d: not JSON: %s; mend it there", name, MAX(error->line, 1),
                      MAX(error->column, 1), nul ? "a NUL character in a string" : error->text);
}

int config_load_json(struct config *config, const char *name, const char *json, size_t len)
{
    size_t name_len = strlen(name), skip = name_len - MIN(name_len, (size_t)NAME_BYTES_MAX);
    char shown[NAME_BYTES_MAX + 4], prefix[NAME_BYTES_MAX + 6];
    json_error_t error;
    json_t *root;
    int r;

    while (((unsigned char)name[skip] & 0xc0) == 0x80)
        skip++;
    (void)snprintf(shown, sizeof(shown), "%s%s", skip > 0 ? "..." : "", name + skip);
    (void)snprintf(prefix, sizeof(prefix), "%s: ", shown);
    if (len > FILE_BYTES_MAX)
        return opts_error("%stoo long; at most %zu bytes are taken", prefix, FILE_BYTES_MAX);
    errno = 0;
    root = json_loadb(json, len, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL)
        return parse_error(shown, &error);
    r = config_read(config, prefix, root);
    json_decref(root);
    return r;
}

int config_load_file(struct config *config, const char *path)
{
    auto_free char *json = malloc(FILE_BYTES_MAX + 1);
    char quote[TEXT_QUOTE_SIZE];
    size_t len = 0;

    if (json == NULL)
        return log_error(-ENOMEM, "--config");
    FILE *file = fopen(path, "re");
    if (file != NULL)
        len = fread(json, 1, FILE_BYTES_MAX + 1, file); /* perhaps in pieces: it may be a pipe */
    int r = file == NULL || ferror(file) ? -errno : 0;
    if (file != NULL)
        (void)fclose(file); /* was only read */
    if (r < 0)
        return opts_error("--config: %s: %s; give a JSON file that can be read",
                          text_quote(quote, path), strerror(-r));
    return config_load_json(config, path, json, len);
}

/* -- writing -- */

/* NULL only when memory ran out. */
static json_t *value_json(const struct opts *opts, const struct opt *row)
{
    char number[OPT_NUMBER_SIZE];

    if (!opts_has(opts, row->name) && row->type != OPT_BOOL)
        return json_null();
    switch (row->type) {
    case OPT_BOOL:
        return json_boolean(opts_bool(opts, row->name));
    case OPT_INT:
        return json_integer((json_int_t)opts_u64(opts, row->name));
    case OPT_SIZE:
        return json_string(opt_number_text(row, opts_bytes(opts, row->name), number));
    case OPT_DURATION:
        return json_string(opt_number_text(row, opts_ns(opts, row->name), number));
    default:
        return json_string(opts_str(opts, row->name));
    }
}

/* Adds each row to object. jansson's setters take the value over, and refuse NULL. */
static int opts_write(const struct opts *opts, json_t *object)
{
    for (const struct opt *row = opts->table; row->name != NULL; row++) {
        if ((row->flags & OPT_COMMAND_LINE) != 0)
            continue;
        if (json_object_set_new(object, row->name, value_json(opts, row)) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int devices_write(const struct config_devices *devices, json_t *list)
{
    for (unsigned i = 0; i < devices->count; i++) {
        json_t *object = json_object();
        if (json_array_append_new(list, object) < 0 || opts_write(devices->items[i], object) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int config_write(const struct config *config, json_t *root)
{
    int r = opts_write(config->options, root);

    for (size_t i = 0; i < config->kinds_count && r == 0; i++) {
        json_t *list = json_array();
        if (json_object_set_new(root, config->kinds[i].name, list) < 0)
            return -ENOMEM;
        r = devices_write(&config->devices[i], list);
    }
    return r;
}

json_t *config_json(const struct config *config)
{
    json_t *root = json_object();

    if (root != NULL && config_write(config, root) == 0)
        return root;
    json_decref(root);
    return NULL;
}

int config_print(const struct config *config, FILE *out)
{
    json_t *root = config_json(config);
    int r = root == NULL ? -ENOMEM : 0;

    errno = 0;
    if (r == 0 && (json_dumpf(root, out, JSON_INDENT(2)) < 0 || fputc('\n', out) == EOF ||
                   fflush(out) == EOF))
        r = errno != 0 ? -errno : -EIO;
    json_decref(root);
    return r < 0 ? log_error(r, "--print-config") : 0;
}

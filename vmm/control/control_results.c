/* SPDX-License-Identifier: BSD-3-Clause */
/* See control_results.h. */
#include "vmm/control/control_results.h"

#include "vmm/base/text.h"

#include <string.h>

static json_t *result_object(const struct result *result)
{
    switch (result->kind) {
    case RESULT_PORT:
        return json_pack("{s:I, s:s}", "port", (json_int_t)result->port, "name", result->what);
    case RESULT_FILE:
        return json_pack("{s:s}", "file", result->what);
    case RESULT_EXPECT:
        return json_pack("{s:s, s:b, s:s}", "expect", result->what, "passed", result->passed, "why",
                         result->why != NULL ? result->why : "");
    }
    return NULL;
}

static bool is_clean(const char *text)
{
    return text == NULL || text_is_clean(text, strlen(text));
}

json_t *control_results_list(const struct results *results)
{
    json_t *list = json_array();

    for (size_t i = 0; i < results->count; i++) {
        const struct result *result = &results->at[i];
        if (is_clean(result->what) && is_clean(result->why))
            (void)json_array_append_new(list, result_object(result)); /* but for memory */
    }
    return list;
}

/* The text of a key; NULL: there is none, or it is not clean. */
static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL && is_clean(text) ? text : NULL;
}

static int result_read(const json_t *object, const char *who, struct results *results)
{
    const char *file = text_of(object, "file"), *name = text_of(object, "name");
    const char *expect = text_of(object, "expect"), *why = text_of(object, "why");
    const json_t *port = json_object_get(object, "port"),
                 *passed = json_object_get(object, "passed");
    json_int_t number = json_integer_value(port);

    if (file != NULL)
        results_file(results, file);
    else if (name != NULL && number > 0 && number <= UINT16_MAX)
        results_port(results, name, (unsigned)number);
    else if (expect != NULL && why != NULL && json_is_boolean(passed))
        results_expect(results, who, expect, json_is_true(passed), why);
    else
        return -EPROTO;
    return 0;
}

int control_results_read(const json_t *told, const char *who, struct results *results)
{
    size_t count = json_array_size(told);
    int r = json_is_array(told) && count <= CONTROL_RESULTS_MAX ? 0 : -EPROTO;

    for (size_t i = 0; i < count && r == 0; i++)
        r = result_read(json_array_get(told, i), who, results);
    return r;
}

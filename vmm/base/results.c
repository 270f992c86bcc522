/* SPDX-License-Identifier: BSD-3-Clause */
/* See results.h. */
#include "vmm/base/results.h"

#include <stdlib.h>
#include <string.h>

static void result_fini(struct result *result)
{
    free(result->who);
    free(result->what);
    free(result->why);
}

/* A copy; what cannot be had is noted. */
static char *copy(const char *text, bool *lost)
{
    char *fresh = text == NULL ? NULL : strdup(text);

    *lost |= text != NULL && fresh == NULL;
    return fresh;
}

/* Takes `result` with copies of its texts, which are borrowed. */
static void add(struct results *results, struct result result, const char *who, const char *what,
                const char *why)
{
    bool lost = false;

    result.who = copy(who, &lost);
    result.what = copy(what, &lost);
    result.why = copy(why, &lost);
    struct result *at = lost ? NULL : realloc(results->at, (results->count + 1) * sizeof(*at));
    if (at == NULL) {
        result_fini(&result);
        results->lost = true;
        return;
    }
    results->at = at;
    at[results->count++] = result;
}

void results_port(struct results *results, const char *name, unsigned port)
{
    add(results, (struct result){.kind = RESULT_PORT, .port = port}, NULL, name, NULL);
}

void results_file(struct results *results, const char *path)
{
    add(results, (struct result){.kind = RESULT_FILE}, NULL, path, NULL);
}

void results_expect(struct results *results, const char *who, const char *what, bool passed,
                    const char *why)
{
    add(results, (struct result){.kind = RESULT_EXPECT, .passed = passed}, who, what,
        passed ? NULL : why);
}

void results_append(struct results *results, const struct results *more)
{
    for (size_t i = 0; i < more->count; i++)
        add(results, more->at[i], more->at[i].who, more->at[i].what, more->at[i].why);
    results->lost |= more->lost;
}

void results_fini(struct results *results)
{
    while (results->count > 0)
        result_fini(&results->at[--results->count]);
    free(results->at);
    *results = (struct results){0};
}

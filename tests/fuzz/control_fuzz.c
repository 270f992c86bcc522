/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes what a client of the control socket writes: lines, each a request or not.
 *
 * Beyond memory safety: a line is taken, or refused with a line of clean text; what was taken has
 * words of clean text, and written again as `linnet control` would it reads back the same.
 */
#include "tests/fuzz/fuzz.h"
#include "vmm/base/text.h"
#include "vmm/control/control_request.h"

#include <string.h>

static void check_words(const struct control_request *request)
{
    char line[CONTROL_LINE_MAX], why[CONTROL_WHY_SIZE];
    struct control_request again;
    char *words[CONTROL_WORDS_MAX + 1] = {NULL};
    size_t count = 0;

    for (; request->words[count] != NULL; count++) {
        must(count < CONTROL_WORDS_MAX, "there are not too many words");
        must(text_is_clean(request->words[count], strlen(request->words[count])), "text is clean");
        words[count] = strdup(request->words[count]);
    }
    must(count > 0, "there is a word");
    int len = control_request_write((const char *const *)words, line);
    must(len > 0 || len == -E2BIG, "it can be written, if it is not too long");
    if (len > 0) {
        must(line[len - 1] == '\n' &&
                 control_request_parse(line, (size_t)len - 1, &again, why) == 0,
             "it reads back");
        for (size_t i = 0; i <= count; i++)
            must(again.words[i] == words[i] || strcmp(again.words[i], words[i]) == 0,
                 "it reads back to the same");
        control_request_fini(&again);
    }
    for (size_t i = 0; i < count; i++)
        free(words[i]);
}

static void check_line(const char *line, size_t len)
{
    struct control_request request;
    char why[CONTROL_WHY_SIZE] = "";
    int r = control_request_parse(line, len, &request, why);

    must(r == 0 || (r == -EINVAL && why[0] != '\0' && text_is_clean(why, strlen(why))),
         "it is taken, or refused with a line that says why");
    must(request.id == NULL || json_is_string(request.id) || json_is_number(request.id),
         "what an answer repeats is small");
    if (r == 0)
        check_words(&request);
    control_request_fini(&request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;

    while (size > 0) {
        const char *end = memchr(text, '\n', size);
        size_t len = end != NULL ? (size_t)(end - text) : size;
        check_line(text, len < CONTROL_LINE_MAX ? len : CONTROL_LINE_MAX - 1);
        size -= len + (end != NULL);
        text += len + (end != NULL);
    }
    return 0;
}

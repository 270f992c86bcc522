/* SPDX-License-Identifier: BSD-3-Clause */
/* See control_request.h. */
#include "vmm/control/control_request.h"

#include "vmm/base/text.h"

#include <stdio.h>
#include <string.h>

static int refuse(char ret_why[CONTROL_WHY_SIZE], const char *why)
{
    (void)snprintf(ret_why, CONTROL_WHY_SIZE, "%s", why);
    return -EINVAL;
}

static int word_take(json_t *word, const char **ret_text, char ret_why[CONTROL_WHY_SIZE])
{
    const char *text = json_string_value(word);

    if (text == NULL || !text_is_clean(text, strlen(text)))
        return refuse(ret_why, "a word of \"do\" is no text, or has control characters");
    *ret_text = text;
    return 0;
}

int control_request_parse(const char *line, size_t len, struct control_request *ret_request,
                          char ret_why[CONTROL_WHY_SIZE])
{
    json_error_t error;
    json_t *root = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
    json_t *list = json_object_get(root, "do"), *id = json_object_get(root, "id");
    json_t *word;
    size_t i;

    *ret_request = (struct control_request){.root = root};
    if (root == NULL) {
        bool clean = text_is_clean(error.text, strlen(error.text));
        (void)snprintf(ret_why, CONTROL_WHY_SIZE, "not JSON: %s",
                       clean ? error.text : "this is no text");
        return -EINVAL;
    }
    if (json_is_string(id) || json_is_number(id))
        ret_request->id = id;
    if (list == NULL || json_object_size(root) != (id != NULL ? 2 : 1) || ret_request->id != id)
        return refuse(ret_why, "a request is {\"do\": [WORD, ...]}, with \"id\": TEXT or NUMBER "
                               "if you like, and no more");
    if (json_is_string(list))
        return word_take(list, &ret_request->words[0], ret_why);
    if (json_array_size(list) == 0 || json_array_size(list) > CONTROL_WORDS_MAX)
        return refuse(ret_why,
                      "\"do\" takes 1 to 64 words; {\"do\": \"help\"} lists what there is");
    json_array_foreach(list, i, word)
    {
        int r = word_take(word, &ret_request->words[i], ret_why);
        if (r < 0)
            return r;
    }
    return 0;
}

void control_request_fini(struct control_request *request)
{
    json_decref(request->root);
    *request = (struct control_request){0};
}

int control_request_write(const char *const words[], char ret_line[CONTROL_LINE_MAX])
{
    json_t *root = json_pack("{s:[]}", "do"), *list = json_object_get(root, "do");
    size_t len;

    for (size_t i = 0; words[i] != NULL; i++) {
        json_t *word = text_is_clean(words[i], strlen(words[i])) ? json_string(words[i]) : NULL;
        if (json_array_append_new(list, word) < 0) {
            json_decref(root);
            return -EINVAL;
        }
    }
    len = json_array_size(list) > CONTROL_WORDS_MAX
              ? CONTROL_LINE_MAX
              : json_dumpb(root, ret_line, CONTROL_LINE_MAX, JSON_COMPACT);
    json_decref(root);
    if (len >= CONTROL_LINE_MAX)
        return -E2BIG;
    ret_line[len] = '\n';
    return (int)len + 1;
}

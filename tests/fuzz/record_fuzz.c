/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes what a guest's console may put into the files of --summary and --junit. Beyond memory
 * safety: JSON reads back, and XML has but clean characters, no markup that is not ours, and an
 * end.
 */
#include "tests/fuzz/fuzz.h"
#include "vmm/base/text.h"
#include "vmm/record.h"

#include <jansson.h>
#include <string.h>

static const struct config_device_kind kinds[] = {{0}};

static void write_both(const struct record *record)
{
    char *text = NULL;
    size_t len = 0, step;
    FILE *out = open_memstream(&text, &len);

    must(out != NULL && summary_write(record, out) == 0 && fclose(out) == 0, "JSON is written");
    json_t *object = json_loadb(text, len, 0, NULL);
    must(object != NULL, "JSON reads back");
    json_decref(object);
    free(text);
    out = open_memstream(&text, &len);
    must(out != NULL && junit_write(record, out) == 0 && fclose(out) == 0, "XML is written");
    must(len < 2 * 65536 + 4096, "XML is bounded");
    for (size_t at = 0; at < len; at += step) {
        step = text[at] == '\n' || text[at] == '\t' ? 1 : text_clean_char(text + at, len - at);
        must(step > 0, "XML is clean");
    }
    const char *body = strstr(text, "The end of the console:");
    must(body == NULL || strncmp(strchr(body, '<'), "</failure>", 10) == 0, "no markup inside");
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config *config;
    struct record record = {.stage_ns = {1, 2}, .ended = true, .how = VM_RESET, .status = 32};

    must(config_create(kinds, &config) == 0, "there is memory");
    record.config = config;
    record.console_len = MIN(size, (size_t)65536);
    record.console = malloc(record.console_len + 1);
    must(record.console != NULL, "there is memory");
    memcpy(record.console, data, record.console_len);
    write_both(&record);
    record_fini(&record);
    config_destroy(config);
    return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The language of the control socket: JSON lines (RFC 8259, UTF-8, one object a line).
 *
 *   request  {"do": ["snd0", "jack", "0", "unplug"], "id": 7}      or {"do": "pause"}
 *   answer   {"id": 7, "ok": true, "told": ...}
 *            {"id": 7, "ok": false, "error": "there is no jack '0'; ..."}
 *   event    {"event": "paused"}                                    for clients that asked for them
 *            {"event": "end", "status": 38, "message": "snd0: ..."}
 *
 * The words of "do" are those of `linnet control`. "id" is a string or a number that the answer
 * repeats; without one it has none. "told" is there when there is something to tell: an object, or
 * a list of lines. Each request has one answer, in the order of the requests.
 *
 * No state; any thread.
 */
#pragma once

#include "vmm/base/base.h"

#include <jansson.h>

#define CONTROL_LINE_MAX  4096 /* bytes of a request, with its newline */
#define CONTROL_WORDS_MAX 64
#define CONTROL_WHY_SIZE  256

struct control_request {
    json_t *root;                             /* owned; what follows points into it */
    json_t *id;                               /* NULL: none */
    const char *words[CONTROL_WORDS_MAX + 1]; /* at least one, then NULL; all clean text */
};

/* Reads a line (without its newline). -EINVAL after writing into ret_why what is wrong with it, a
 * clean line; `id` is known if it could be found. Either way fini() it. */
int control_request_parse(const char *line, size_t len, struct control_request *ret_request,
                          char ret_why[CONTROL_WHY_SIZE]);
void control_request_fini(struct control_request *request);

/* Writes a request of `words` (they end with NULL) and its newline: the length, or -E2BIG if it is
 * too long, -EINVAL if a word is no clean text. */
int control_request_write(const char *const words[], char ret_line[CONTROL_LINE_MAX]);

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Words that people wrote: is it text that may be shown, how to quote it in a message, and which
 * known word was probably meant. No state; any thread may call. Knows nothing of options.
 */
#pragma once

#include "vmm/base/base.h"

/* Longest part of a stranger's word that a message repeats, and room for it with quotes. */
#define TEXT_QUOTE_BYTES_MAX 64
#define TEXT_QUOTE_SIZE      (TEXT_QUOTE_BYTES_MAX + 8)

/* True if text[0..len) is UTF-8 (shortest form, no surrogates) without NUL and control characters
 * (C0, DEL, C1): it can go on one line of a log, on a terminal and into JSON unchanged. */
bool text_is_clean(const char *text, size_t len);

/* How long the first character of text[0..len) is, 0 if none that is clean is there; len > 0. */
size_t text_clean_char(const char *text, size_t len);

/* Puts text in double quotes into buf and returns buf. It is shortened with "..." at a character's
 * edge; what is not clean becomes '?'. */
const char *text_quote(char buf[TEXT_QUOTE_SIZE], const char *text);

/* Room for one of text_word()'s. */
#define TEXT_WORD_SIZE 64

/* Takes the next word of a list that `separator` divides: false if there is none, *text being NULL.
 * Else *text is behind it, or NULL if it was the last; at least one there is, maybe empty. What has
 * no room is cut off. */
bool text_word(const char **text, char separator, char ret_word[TEXT_WORD_SIZE]);

/*
 * Search for the known word nearest to a wrong one: init, offer each known word, ask. A word is
 * near when few letters must be changed, added, dropped or swapped (case and '_' for '-' are free),
 * or when it begins with the wrong one. Among equals the first offered wins.
 */
struct text_nearest {
    const char *word; /* borrowed */
    const char *best; /* borrowed from the offers; NULL: nothing is near */
    size_t distance;  /* of best; before that, the first distance that is too far */
};

void text_nearest_init(struct text_nearest *nearest, const char *word);
void text_nearest_offer(struct text_nearest *nearest, const char *known);

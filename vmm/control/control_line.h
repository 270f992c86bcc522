/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The language of the control socket: both ends of it use this.
 *
 * A request is a line of words with blanks between them; a word with blanks in it stands in single
 * quotes, where a quote is written twice:
 *
 *   snd0 ctl 'Master Playback Volume' 50%
 *
 * Its answer is any number of lines that begin with a blank, and then one that does not:
 *
 *    0 headphone plugged                   error: there is no jack 'mic'; there are 1 ...
 *   ok
 *
 * All of it is clean text (text_is_clean). No state; any thread.
 */
#pragma once

#include "vmm/base/base.h"

#define CONTROL_LINE_MAX  4096 /* bytes of a request, with its newline */
#define CONTROL_WORDS_MAX 64

#define CONTROL_OK    "ok"
#define CONTROL_ERROR "error: "

/* Cuts a line (NUL at its end, no newline) into words, in place; words[] ends with NULL. How many;
 * -EINVAL for a quote that is not closed or goes on behind its end, -E2BIG for too many words. */
int control_split(char *line, const char *words[CONTROL_WORDS_MAX + 1]);

/* Makes a line with its newline of the words (they end with NULL): its length, -E2BIG if it is too
 * long, -EINVAL if there are no words or they are not clean. */
int control_join(char *const words[], char ret_line[CONTROL_LINE_MAX]);

/* An address for the socket `path`: 0, or -ENAMETOOLONG. */
struct sockaddr_un;
int control_address(const char *path, struct sockaddr_un *ret_address);

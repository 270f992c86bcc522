/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command `linnet listen`. For each file: feed it to the listener, judge, compare, tell.
 * The first that goes wrong is told on standard error, one line each; what was heard is told on
 * standard output in any case.
 */
#include "devices/snd/hear/listen.h"

#include "devices/snd/hear/heard.h"
#include "vmm/base/log.h"
#include "vmm/base/text.h"
#include "vmm/config/opts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Exit statuses, as main.c has them. */
enum {
    STATUS_FINE = 0,
    STATUS_UNREADABLE = 1,
    STATUS_BAD_ARGUMENTS = 35,
    STATUS_NOT_AS_EXPECTED = 38,
};

static const struct opt listen_options[] = {
    {.name = "expect",
     .help = "what the sound should be, as freq=440,gaps=0; keys below",
     .type = OPT_STRING,
     .arg = "LIST"},
    {.name = "same-as",
     .help = "compare with this sound file, sample by sample",
     .type = OPT_PATH,
     .arg = "FILE"},
    {.name = "json", .help = "tell as one JSON object a file, one a line", .type = OPT_BOOL},
    {.name = "help", .help = "tell this", .type = OPT_BOOL},
    {0},
};

struct listen {
    struct opts *opts; /* owned */
    char **paths;      /* owned array of borrowed words */
    int path_count;
    bool judging;
    struct expect expect;
};

/* -- arguments -- */

static void print_help(void)
{
    fputs("Usage: linnet listen [options] FILE...\n\n"
          "Says what is in sound files: length, pitch, level, gaps and clicks.\n\n",
          stdout);
    opts_help_options(stdout, listen_options);
    fputs("\nKeys of --expect, as key=value,... (a value may be followed by ± or +- and a "
          "tolerance,\nand 440/880 gives one for each channel):\n",
          stdout);
    expect_help(stdout);
    fputs("\nExit status: 0 fine; 38 not as expected, or not the same; 1 a file cannot be read or "
          "written;\n35 bad arguments.\n",
          stdout);
}

static int unknown_option(const char *word)
{
    char quote[TEXT_QUOTE_SIZE], name[TEXT_QUOTE_BYTES_MAX];
    struct text_nearest nearest;

    (void)text_quote(quote, word);
    word += strspn(word, "-");
    (void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(word, "="), word);
    text_nearest_init(&nearest, name);
    for (const struct opt *row = listen_options; row->name; row++)
        text_nearest_offer(&nearest, row->name);
    if (!nearest.best)
        return opts_error("%s: no such option; linnet listen --help lists all", quote);
    return opts_error("%s: no such option; did you mean --%s?", quote, nearest.best);
}

/* Takes a word that is no option. */
static int take_file(struct listen *listen, char *path)
{
    if (path[0] == '\0' || !text_is_clean(path, strlen(path)))
        return opts_error("%s: not a file name of printable UTF-8; rename the file",
                          path[0] == '\0' ? "\"\"" : path);
    listen->paths[listen->path_count++] = path;
    return 0;
}

static int take_words(struct listen *listen, char **argv)
{
    bool only_files = false;
    const struct opt *row;
    int i = 1, r = 0;

    while (argv[i] && r == 0) {
        if (!only_files && strcmp(argv[i], "--") == 0) {
            only_files = true;
            i++;
        } else if (only_files || argv[i][0] != '-') {
            r = take_file(listen, argv[i++]);
        } else {
            r = opts_take(listen->opts, argv, &i, &row);
            r = r == 0 ? unknown_option(argv[i]) : MIN(r, 0);
        }
    }
    return r;
}

static int check_arguments(struct listen *listen)
{
    const char *expect = opts_str(listen->opts, "expect");

    if (opts_bool(listen->opts, "help"))
        return 0;
    if (expect) {
        int r = expect_parse(expect, "--expect: ", &listen->expect);
        if (r < 0)
            return r;
        listen->judging = true;
    }
    if (listen->path_count == 0)
        return opts_error("no FILE to listen to; write linnet listen FILE...");
    return 0;
}

/* -- listening -- */

static int feed(struct sound_file *file, struct listener *listener)
{
    int frames;

    while ((frames = sound_read(file, SOUND_BLOCK_FRAMES)) > 0)
        listener_feed(listener, file->block, (size_t)frames);
    return frames;
}

static int hear(const char *path, struct heard *heard)
{
    struct listener *listener = NULL;
    struct sound_file file;
    int r = sound_open(&file, "", path);

    if (r == 0) {
        (void)sound_format(&file, heard->format);
        r = listener_create(file.rate_hz, file.channels, &listener);
        if (r < 0)
            (void)log_error(r, "%s", path);
    }
    if (r == 0 && (r = feed(&file, listener)) < 0)
        (void)log_error(0, "%s: reading failed: %s", path, sound_error(&file));
    if (r == 0)
        listener_report(listener, &heard->report);
    listener_destroy(listener);
    sound_close(&file);
    return r;
}

/* -- comparing -- */

/* Looks for the first difference in the frames both blocks have, of which `before` came earlier. */
static bool same_frames(const struct sound_file *file, const struct sound_file *other, int frames,
                        uint64_t before, struct heard_same *same)
{
    for (size_t i = 0; i < (size_t)frames * file->channels; i++) {
        uint64_t frame = before + i / file->channels;
        double here = file->block[i], there = other->block[i];

        if (here == there || (isnan(here) && isnan(there)))
            continue;
        (void)snprintf(same->line, sizeof(same->line),
                       "no: from frame %llu (%.4f s), where channel %zu has %.12g instead of %.12g",
                       (unsigned long long)frame, (double)frame / file->rate_hz,
                       i % file->channels + 1, here, there);
        return false;
    }
    return true;
}

static int compare_frames(struct sound_file *file, struct sound_file *other,
                          struct heard_same *same)
{
    uint64_t before = 0;
    int here, there;

    do {
        here = sound_read(file, SOUND_BLOCK_FRAMES);
        there = here < 0 ? here : sound_read(other, SOUND_BLOCK_FRAMES);
        if (there < 0)
            return log_error(0, "%s: cannot be compared: reading failed", same->path), there;
        if (!same_frames(file, other, MIN(here, there), before, same))
            return 0;
        before += (uint64_t)MIN(here, there);
    } while (here == there && here > 0);
    same->identical = here == there;
    (void)snprintf(same->line, sizeof(same->line),
                   here < there   ? "no: it ends after %llu frames, all the same"
                   : here > there ? "no: all %llu frames of that are here, then more follow"
                                  : "yes",
                   (unsigned long long)before);
    return 0;
}

/* Compares by value at full precision: 16 bits in a 32-bit file are the same as in a 16-bit one. */
static int compare(const char *path, const char *other_path, struct heard_same *same)
{
    struct sound_file file, other = {0};
    int r = sound_open(&file, "", path);

    *same = (struct heard_same){.path = other_path};
    if (r == 0)
        r = sound_open(&other, "", other_path);
    if (r < 0)
        goto out;
    if (file.channels != other.channels)
        (void)snprintf(same->line, sizeof(same->line), "no: channels: %u instead of %u",
                       file.channels, other.channels);
    else if (file.rate_hz != other.rate_hz)
        (void)snprintf(same->line, sizeof(same->line), "no: rate: %u Hz instead of %u Hz",
                       file.rate_hz, other.rate_hz);
    else
        r = compare_frames(&file, &other, same);
out:
    sound_close(&other);
    sound_close(&file);
    return r;
}

/* -- one file after the other -- */

/* Exit status for one file. */
static int listen_to(const struct listen *listen, const char *path, struct heard *heard)
{
    const char *same_as = opts_str(listen->opts, "same-as");

    *heard = (struct heard){.path = path, .judged = listen->judging, .as_expected = true};
    if (hear(path, heard) < 0)
        return STATUS_UNREADABLE;
    if (heard->judged)
        heard->as_expected = expect_judge(&listen->expect, &heard->report, heard->verdict);
    if (same_as && compare(path, same_as, &heard->same) < 0)
        return STATUS_UNREADABLE;
    if (!opts_bool(listen->opts, "json"))
        heard_print(heard, stdout);
    else if (heard_print_json(heard, stdout) < 0)
        return log_error(-ENOMEM, "%s", path), STATUS_UNREADABLE;
    if (!heard->as_expected)
        (void)log_error(0, "%s: %s", path, heard->verdict);
    if (same_as && !heard->same.identical)
        (void)log_error(0, "%s: identical to %s? %s", path, same_as, heard->same.line);
    return heard->as_expected && (!same_as || heard->same.identical) ? STATUS_FINE
                                                                     : STATUS_NOT_AS_EXPECTED;
}

/* The worst of all files' statuses: unreadable is worse than not as expected. */
static int listen_to_all(const struct listen *listen)
{
    auto_free struct heard *heard = malloc(sizeof(*heard)); /* large */
    int worst = STATUS_FINE;

    if (!heard)
        return log_error(-ENOMEM, "cannot listen"), STATUS_UNREADABLE;
    for (int i = 0; i < listen->path_count; i++) {
        int status = listen_to(listen, listen->paths[i], heard);

        if (worst == STATUS_FINE || status == STATUS_UNREADABLE)
            worst = status;
    }
    if (fflush(stdout) != 0) {
        (void)log_error(-errno, "cannot write what was heard to standard output");
        return STATUS_UNREADABLE;
    }
    return worst;
}

int listen_main(int argc, char **argv)
{
    struct listen listen = {.paths = calloc((size_t)argc + 1, sizeof(char *))};
    int r = listen.paths ? 0 : log_error(-ENOMEM, "cannot listen");
    int status;

    if (r == 0)
        r = opts_create(listen_options, &listen.opts);
    if (r == 0)
        r = take_words(&listen, argv);
    if (r == 0)
        r = check_arguments(&listen);
    if (r < 0) {
        status = r == -EINVAL ? STATUS_BAD_ARGUMENTS : STATUS_UNREADABLE;
    } else if (opts_bool(listen.opts, "help")) {
        print_help();
        status = fflush(stdout) == 0 ? STATUS_FINE : STATUS_UNREADABLE;
    } else {
        status = listen_to_all(&listen);
    }
    opts_destroy(listen.opts);
    free(listen.paths);
    return status;
}

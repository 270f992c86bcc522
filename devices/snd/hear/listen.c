/* SPDX-License-Identifier: BSD-3-Clause */
/* See listen.h. */
#include "devices/snd/hear/listen.h"

#include "devices/snd/hear/expect.h"
#include "devices/snd/lib/sound_file.h"
#include "vmm/base/exit_status.h"
#include "vmm/base/log.h"
#include "vmm/base/text.h"
#include "vmm/config/opts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct opt listen_options[] = {
    {.name = "expect",
     .help = "what the sound should be, as freq=440,gaps=0; keys below",
     .arg = "LIST"},
    {.name = "same-as",
     .help = "compare with this sound file, sample by sample",
     .type = OPT_PATH,
     .arg = "FILE"},
    {.name = "help", .help = "tell this", .type = OPT_BOOL},
    {0},
};

struct listen {
    struct opts *opts;    /* owned */
    const char *path;     /* borrowed word */
    const char *same_as;  /* the same; NULL: compare with nothing */
    struct expect expect; /* of nothing, where --expect is missing */

    struct sound_file file, other;
    struct listener *listener; /* owned */
    struct listener_report report;
    char verdict[EXPECT_LINE_SIZE]; /* "expected ..., heard ..."; empty if as expected */
    bool differs;
    char same[EXPECT_LINE_SIZE]; /* "yes", or "no: " and why not */
};

/* -- arguments -- */

static int print_help(void)
{
    fputs("Usage: linnet listen [options] FILE\n\n"
          "Says what is in a sound file: length, pitch, level, gaps and clicks.\n\n",
          stdout);
    opts_help_options(stdout, listen_options);
    fputs("\nKeys of --expect, as key=value,... (a value may be followed by ± or +- and a "
          "tolerance,\nand 440/880 gives one for each channel):\n",
          stdout);
    expect_help(stdout);
    fputs("\nExit status: 0 fine; 38 not as expected, or not the same; 1 a file cannot be read or "
          "written;\n35 bad arguments.\n",
          stdout);
    return fflush(stdout) == 0 ? 0 : EXIT_HOST_ERROR;
}

static int take_word(struct listen *listen, char **argv, int *index)
{
    const char *word = argv[*index];
    const struct opt *row;

    if (word[0] == '-') {
        int r = opts_take(listen->opts, argv, index, &row);
        return r == 0 ? opts_error("%s: no such option; linnet listen --help lists all", word)
                      : MIN(r, 0);
    }
    if (word[0] == '\0' || !text_is_clean(word, strlen(word)))
        return opts_error("%s: not a file name of printable UTF-8; rename the file",
                          word[0] == '\0' ? "\"\"" : word);
    if (listen->path != NULL)
        return opts_error("%s: one FILE at a time; %s is the first", word, listen->path);
    listen->path = argv[(*index)++];
    return 0;
}

static int take_arguments(struct listen *listen, char **argv)
{
    int index = 1, r = opts_create(listen_options, &listen->opts);

    while (r == 0 && argv[index] != NULL)
        r = take_word(listen, argv, &index);
    if (r < 0 || opts_bool(listen->opts, "help"))
        return r;
    listen->same_as = opts_str(listen->opts, "same-as");
    if (opts_given(listen->opts, "expect"))
        r = expect_parse(opts_str(listen->opts, "expect"), "--expect: ", &listen->expect);
    if (r == 0 && listen->path == NULL)
        r = opts_error("no FILE to listen to; write linnet listen FILE");
    return r;
}

/* -- listening -- */

static int open_all(struct listen *listen)
{
    const struct sound_file *file = &listen->file, *other = &listen->other;
    int r = sound_open(&listen->file, "", listen->path);

    if (r == 0 && listen->same_as != NULL)
        r = sound_open(&listen->other, "", listen->same_as);
    if (r < 0)
        return r;
    r = listener_create(file->rate_hz, file->channels, &listen->listener);
    if (r < 0)
        return log_error(r, "%s", listen->path);
    listen->differs = listen->same_as != NULL &&
                      (file->channels != other->channels || file->rate_hz != other->rate_hz);
    if (listen->differs)
        (void)snprintf(listen->same, sizeof(listen->same),
                       "no: %u Hz, channels: %u, instead of %u Hz, channels: %u", file->rate_hz,
                       file->channels, other->rate_hz, other->channels);
    return 0;
}

/* Compares the blocks of both files, with so many frames, of which `before` came earlier. By value
 * at full precision: 16 bits in a 32-bit file are the same as in a 16-bit one. */
static void compare(struct listen *listen, int here, int there, uint64_t before)
{
    const unsigned channels = listen->file.channels;
    const double *a = listen->file.block, *b = listen->other.block;
    size_t i = 0, samples = (size_t)MIN(here, there) * channels;
    uint64_t frame;

    while (i < samples && (a[i] == b[i] || (isnan(a[i]) && isnan(b[i]))))
        i++;
    frame = before + i / channels;
    listen->differs = i < samples || here != there;
    if (i < samples)
        (void)snprintf(listen->same, sizeof(listen->same),
                       "no: from frame %llu (%.4f s), where channel %zu has %.12g instead of %.12g",
                       (unsigned long long)frame, (double)frame / listen->file.rate_hz,
                       i % channels + 1, a[i], b[i]);
    else
        (void)snprintf(listen->same, sizeof(listen->same),
                       here < there   ? "no: it ends after %llu frames, all the same"
                       : here > there ? "no: all %llu frames of that are here, then more follow"
                                      : "yes",
                       (unsigned long long)frame);
}

static int hear(struct listen *listen)
{
    uint64_t before = 0;
    int here, there = 0, r = open_all(listen);

    do {
        here = r == 0 ? sound_read(&listen->file, SOUND_BLOCK_FRAMES) : r;
        if (here >= 0 && listen->same_as != NULL && !listen->differs) {
            there = sound_read(&listen->other, SOUND_BLOCK_FRAMES);
            compare(listen, here, MAX(there, 0), before);
        }
        if (here > 0)
            listener_feed(listen->listener, listen->file.block, (size_t)here);
        before += (uint64_t)MAX(here, 0);
    } while (here > 0 && there >= 0);
    if (r == 0 && (here < 0 || there < 0))
        r = log_error(-EIO, "%s", here < 0 ? listen->path : listen->same_as);
    if (r == 0)
        listener_report(listen->listener, &listen->report);
    return r;
}

/* -- telling -- */

/* Tells what was heard: 0, or -errno after a line. */
static int tell(struct listen *listen)
{
    char format[SOUND_FORMAT_SIZE];

    printf("%s\n  format     %s\n", listen->path, sound_format(&listen->file, format));
    heard_print(&listen->report, stdout);
    if (opts_given(listen->opts, "expect"))
        printf("  verdict    %s\n", listen->verdict[0] != '\0' ? listen->verdict : "as expected");
    if (listen->same_as != NULL)
        printf("  identical to what was played: %s\n", listen->same);
    return fflush(stdout) == 0
               ? 0
               : log_error(-errno, "cannot write what was heard to standard output");
}

static int listen_to(struct listen *listen)
{
    if (hear(listen) < 0)
        return EXIT_HOST_ERROR;
    bool as_expected = expect_judge(&listen->expect, &listen->report, listen->verdict);
    if (tell(listen) < 0)
        return EXIT_HOST_ERROR;
    if (!as_expected)
        (void)log_error(0, "%s: %s", listen->path, listen->verdict);
    if (listen->differs)
        (void)log_error(0, "%s: identical to %s? %s", listen->path, listen->same_as, listen->same);
    return as_expected && !listen->differs ? 0 : EXIT_EXPECTATION;
}

int listen_main(int argc, char **argv)
{
    struct listen *listen = calloc(1, sizeof(*listen)); /* large */
    int status, r;

    (void)argc;
    if (listen == NULL)
        return log_error(-ENOMEM, "cannot listen"), EXIT_HOST_ERROR;
    r = take_arguments(listen, argv);
    if (r < 0)
        status = r == -EINVAL ? EXIT_BAD_ARGUMENTS : EXIT_HOST_ERROR;
    else
        status = opts_bool(listen->opts, "help") ? print_help() : listen_to(listen);
    listener_destroy(listen->listener);
    sound_close(&listen->other);
    sound_close(&listen->file);
    opts_destroy(listen->opts);
    free(listen);
    return status;
}

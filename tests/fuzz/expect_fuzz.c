/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes what a user expects of a sound: the text of expect=. Beyond memory safety: it is taken, or
 * refused with one line; what was taken judges silence, and noise of two channels, in one line.
 */
#include "devices/snd/hear/expect.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

#define TEXT_MAX 4096

static void judge(const struct expect *expect, unsigned channels)
{
    static struct listener_report report;
    char line[EXPECT_LINE_SIZE] = "";

    report = (struct listener_report){
        .frames = 48000, .rate_hz = 48000, .channels = channels, .silent = channels == 1};
    for (unsigned c = 0; c < channels; c++)
        report.channel[c] = (struct listener_channel){
            .silent = channels == 1, .freq_hz = 440 * (c + 1), .peak_dbfs = -6, .gaps.count = c};
    must(expect_judge(expect, &report, line) == (line[0] == '\0'), "a line if not as expected");
    must(memchr(line, '\0', sizeof(line)) != NULL && strchr(line, '\n') == NULL, "one line");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[TEXT_MAX + 1];
    struct expect expect;

    size = MIN(size, (size_t)TEXT_MAX);
    memcpy(text, data, size);
    text[size] = '\0';
    int r = expect_parse(text, "expect: ", &expect);
    must(r == 0 || r == -EINVAL, "input is taken, or refused as a mistake");
    if (r == 0) {
        judge(&expect, 1);
        judge(&expect, 2);
    }
    return 0;
}

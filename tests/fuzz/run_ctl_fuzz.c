/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes what a guest says over linnet.ctl. Beyond memory safety: the same bytes mean the same
 * however they are cut, the text ends, and a status is one.
 */
#include "tests/fuzz/fuzz.h"
#include "vmm/run/ctl.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ctl whole = {0}, pieces = {0};
    int r = ctl_hear(&whole, data, size), r_pieces = 0;

    for (size_t i = 0; i < size && r_pieces == 0; i++)
        r_pieces = ctl_hear(&pieces, data + i, 1);
    must(r == r_pieces, "cut or whole, it is refused or not");
    must(whole.end == pieces.end && whole.number == pieces.number && whole.hello == pieces.hello &&
             whole.started == pieces.started && strcmp(whole.text, pieces.text) == 0,
         "cut or whole, it means the same");
    must(whole.heard_len <= sizeof(whole.heard), "no more is kept than a message has");
    must(strlen(whole.text) <= CTL_SIZE_MAX, "the text ends");
    int status = ctl_status(&whole);
    must(status >= 0 && status <= 255, "it is an exit status");
    return 0;
}

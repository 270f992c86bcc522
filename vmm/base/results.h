/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a machine has to tell programs besides how it ended: ports of this host that lead into the
 * guest, files that were written, expectations that were met or not. Devices fill it (results() of
 * struct virtio_class); --summary and --junit write it.
 *
 *   results_port(results, "tcp:22", 40123);                port 40123 here is 22 there
 *   results_file(results, "out.wav");
 *   results_expect(results, "snd0", "freq=440", false, "heard 439.2 Hz");
 *
 * Texts are copied. One thread, main.
 */
#pragma once

#include "vmm/base/base.h"

enum result_kind { RESULT_PORT, RESULT_FILE, RESULT_EXPECT };

struct result {
    enum result_kind kind;
    unsigned port;
    bool passed;
    char *who;  /* owned, as the other texts; NULL where the kind has none */
    char *what; /* the port's name, the file's, or the expectation */
    char *why;  /* of an expectation that was not met */
};

/* Zeroed is empty. */
struct results {
    struct result *at; /* owned; `count` of them, in the order they were told */
    size_t count;
    bool lost; /* memory ran out: some are missing */
};

void results_port(struct results *results, const char *name, unsigned port);
void results_file(struct results *results, const char *path);
void results_expect(struct results *results, const char *who, const char *what, bool passed,
                    const char *why);
/* All of `more`, too. */
void results_append(struct results *results, const struct results *more);
/* Empties it. */
void results_fini(struct results *results);

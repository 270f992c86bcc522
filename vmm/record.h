/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a run went, for programs: --summary FILE (JSON, summary.c) and --junit FILE (XML, junit.c).
 * Both are written when the run begins and say that it has not ended; a rename puts the last ones
 * in their place: a file that says "running" while the process is gone tells of one that was
 * killed. Main thread.
 *
 *   record_begin() --> machine made --> record_running() --> machine ended --> record_end()
 *     |  both files        | machine_record()  |  summary          | machine_record()  |  both
 *
 * What devices know comes by results() of their class (virtio/device.h). A network card that was
 * given port 40123 of this host for port 22 of the guest says results_port(results, "tcp:22",
 * 40123) there, and "ports": {"tcp:22": 40123} is in the summary from when the machine is made on.
 */
#pragma once

#include "vmm/base/results.h"
#include "vmm/config/config.h"
#include "vmm/vcpu.h"

#include <stdio.h>

/* What linnet sees of a boot, in this order. */
enum record_stage {
    RECORD_EXEC,              /* linnet began */
    RECORD_FIRST_INSTRUCTION, /* of the guest */
    RECORD_CONSOLE,           /* the guest's first words on the serial console */
    RECORD_INIT,              /* with a command: init in the guest is there, */
    RECORD_COMMAND,           /* and has started the command */
    RECORD_END,
    RECORD_STAGES,
};

struct record {
    const struct config *config; /* borrowed */
    char *const *command;        /* borrowed; NULL: none */
    char started[24];            /* UTC, ISO 8601 */

    bool by_command; /* the status is CMD's own: for the caller to set */

    /* machine_record() fills: */
    uint64_t stage_ns[RECORD_STAGES]; /* CLOCK_MONOTONIC; 0: was not seen */
    uint64_t exits;                   /* how often the guest stopped for linnet */
    struct results results;
    char *console; /* owned: the last of what the guest said there; NULL: nothing */
    size_t console_len;
    char panic[256]; /* the line in which its kernel said why; "": it did not */

    /* record_end() fills: */
    bool ended;
    enum vm_end how;
    int status;
    double cpu_guest_s, cpu_vmm_s;
    uint64_t memory_peak; /* bytes of this process, with what the guest touched of its own */
};

/* Writes the first files, if --summary or --junit asks for them. -EINVAL, logged, if one can't be
 * written. */
int record_begin(struct record *record, const struct config *config, char *const *command);
/* True if one of them is wanted. */
bool record_wanted(const struct config *config);
/* The machine is made, and it has results. What goes wrong here does so at the end, too. */
void record_running(const struct record *record);
/* The last files. Where one can't be written that is logged, the first one stays, and -errno is
 * returned. */
int record_end(struct record *record, enum vm_end how, int status);
void record_fini(struct record *record);

/* -- for summary.c and junit.c -- */

/* "poweroff", "panic" ...; "running" before it has ended. */
const char *record_end_word(const struct record *record);
/* Why it ended so, if that was said: clean text, or "". */
const char *record_message(const struct record *record);
/* Seconds from stage to stage; 0 if one was not seen. */
double record_seconds(const struct record *record, enum record_stage from, enum record_stage to);

/* Each writes its file's whole text: 0 or -errno, where a stream that fails may also be seen by its
 * closing. */
int summary_write(const struct record *record, FILE *out);
int junit_write(const struct record *record, FILE *out);

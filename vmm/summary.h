/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * --summary FILE: one JSON object that says how a run went, for programs. It is written when the
 * run begins, with "end": "running", and replaced by a rename when it has ended: a file that says
 * "running" while the process is gone tells of one that was killed. The README lists the keys. Main
 * thread.
 */
#pragma once

#include "vmm/config/config.h"
#include "vmm/vcpu.h"

struct summary {
    const struct config *config; /* borrowed; NULL: nobody wants one */
    char *const *command;        /* borrowed; NULL: none */
    char started[24];            /* UTC, ISO 8601 */
    uint64_t started_ns;
};

/* Writes the first one, if --summary asks for it. -EINVAL, logged, if FILE can't be written. */
int summary_begin(struct summary *summary, const struct config *config, char *const *command);
/* The last one. `by_command`: the status is CMD's own. Where it can't be written that is logged,
 * and the first one is left. */
int summary_end(const struct summary *summary, enum vm_end how, int status, bool by_command);

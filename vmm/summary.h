/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * --summary FILE: one JSON object that says how a run went, for programs. It is written when the
 * run begins, with "end": "running", and replaced by a rename when it has ended: a file that says
 * "running" while the process is gone tells of one that was killed. The README lists the keys. Main
 * thread.
 *
 * What devices know comes by results() of their class (virtio/device.h). A network card that was
 * given port 40123 of this host for port 22 of the guest says results_port(results, "tcp:22",
 * 40123) there, and "ports": {"tcp:22": 40123} is in the file from when the machine is made on.
 */
#pragma once

#include "vmm/base/results.h"
#include "vmm/config/config.h"
#include "vmm/vcpu.h"

struct summary {
    const struct config *config; /* borrowed; NULL: nobody wants one */
    char *const *command;        /* borrowed; NULL: none */
    char started[24];            /* UTC, ISO 8601 */
    uint64_t started_ns;
    struct results results; /* of the devices; for the caller to fill */
};

/* Writes the first one, if --summary asks for it. -EINVAL, logged, if FILE can't be written. */
int summary_begin(struct summary *summary, const struct config *config, char *const *command);
/* It runs, and there are results. What goes wrong here does so at the end, too. */
void summary_running(const struct summary *summary);
/* The last one. `by_command`: the status is CMD's own. Where it can't be written that is logged,
 * and the first one is left. */
int summary_end(const struct summary *summary, enum vm_end how, int status, bool by_command);
void summary_fini(struct summary *summary);

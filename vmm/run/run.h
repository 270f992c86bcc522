/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `linnet run [OPTIONS] [KERNEL] -- CMD ARGS`: what of a machine is chosen, made and added to its
 * configuration so that it runs one command. The machine itself is any other; session.h is the
 * command's life while that runs.
 *
 * - CMD's stdin <- linnet.in <- socket <- thread <- linnet's stdin (and so on for .out, .err)
 * - init in the guest <-> linnet.ctl <-> socket <-> main loop (guest/wire.h)
 *
 * Main thread, before the machine exists.
 */
#pragma once

#include "vmm/config/config.h"
#include "vmm/run/bytes.h"
#include "vmm/run/disk.h"
#include "vmm/run/guest/wire.h"
#include "vmm/run/kernel.h"

/* Exit statuses besides CMD's own, as env(1), chroot(1) and containers have them. */
enum {
    RUN_STATUS_FAILED = 125, /* linnet, this host, wrong options, or an unfit kernel */
    RUN_STATUS_NOT_RUN = 126,
    RUN_STATUS_NOT_FOUND = 127,
    RUN_STATUS_SIGNAL = 128, /* and a signal's number */
};

enum run_port { RUN_IN, RUN_OUT, RUN_ERR, RUN_CTL, RUN_PORTS };

struct run {
    char *const *command; /* borrowed, ends with NULL */
    struct run_kernel kernel;
    struct run_disk disk; /* that is the root; zeroed if none is */
    bool tty;             /* CMD gets a terminal, as linnet has one */
    int ours[RUN_PORTS];  /* owned: the host's end of each port's socket */
    struct bytes initramfs;
};

/* The kinds "rw", "ro" and "env" of configurations; ends with {0}. */
extern const struct config_device_kind run_kinds[];

/* Takes what the user said and completes it: kernel, options, devices. -EINVAL for what should be
 * said otherwise, or another -errno, logged. run_fini() may follow in any case. */
int run_init(struct run *run, struct config *config);
void run_fini(struct run *run);
/* The initramfs is in guest RAM: gives back what making it took, for as long as CMD runs. */
void run_loaded(struct run *run);

/* -EINVAL, logged, if there is an option that only a command has. */
int run_refuse_options(const struct config *config);

/* -- for run.c and initramfs.c alone -- */

/* What --rw or --ro (`option`) number `index` names: here, and in the guest. -EINVAL, logged. */
int run_folder(const struct config *config, const char *option, unsigned index,
               char ret_host[PATH_MAX], char ret_guest[PATH_MAX]);
/* The tag of its share. Returns tag. */
#define RUN_TAG_SIZE 32
const char *run_tag(char tag[RUN_TAG_SIZE], const char *option, unsigned index);

/* Writes the run file; makes the initramfs. -errno, logged. */
int run_file_make(const struct run *run, const struct config *config, struct bytes *ret_file);
int run_initramfs_make(struct run *run, struct config *config);

/* SPDX-License-Identifier: BSD-3-Clause */
/* The parts of the init that linnet puts into its guests. One process, one thread. */
#pragma once

#include "vmm/base/base.h"
#include "vmm/run/guest/wire.h"

enum guest_port { IN, OUT, ERR, CTL, PORTS };

struct guest {
    char *strings; /* the run file, whole */
    size_t size;
    int port[PORTS]; /* -1: closed */
};

/* The first string of the run file that is of this kind, behind `after` (NULL: from the start);
 * without its first byte. NULL: no more. */
const char *run_string(const struct guest *guest, int kind, const char *after);

/* Tells linnet why nothing can run here, or the kernel's log where linnet is not reached yet. */
_Noreturn void unfit(struct guest *guest, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* mount.c: modules, ports, the root that CMD sees, what is mounted there. */
void modules_load(struct guest *guest);
void ports_open(struct guest *guest);
/* -1: it is not there after some seconds. */
int port_ctl_open(void);
void root_enter(struct guest *guest);
void make_folders(const char *path);

/* systemd.c: process 1 becomes the root's systemd, which runs this program again, as a service. */
_Noreturn void systemd_become(struct guest *guest);
/* The run file in that service's folder. */
#define SERVICE_RUN_FILE SERVICE_FOLDER "/" RUN_FILE

/* network.c: loopback, and what RUN_DHCP names, with the name servers in the root. */
void network_up(struct guest *guest);

/* init.c: one message to linnet. */
void ctl_send(struct guest *guest, int type, const void *bytes, size_t size);

/* command.c: starts CMD; the ends of its pipes or its terminal that are ours, pid. */
struct command {
    pid_t pid;
    int in, out, err; /* -1: none */
    bool tty;
};
void command_start(struct guest *guest, struct command *ret_command);

/* copy.c: until CMD has ended and its output is out. Returns what waitpid() told. */
int command_serve(struct guest *guest, struct command *command);

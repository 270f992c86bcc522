/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The user's terminal as the guest's serial console: raw while the VM runs, as it was on every way
 * out (return, exit, fatal signal). Keys go to the guest, Ctrl-C too; Ctrl-A is the escape:
 *
 *   Ctrl-A x   stop the VM        Ctrl-A a   send one Ctrl-A        Ctrl-A h   say so
 *
 * If standard input is no terminal, bytes go through as they are, without an escape, until its end.
 * What the guest does not take yet stays where it is: in the pipe, the terminal, the file.
 */
#pragma once

#include "devices/serial.h"
#include "vmm/base/loop.h"

struct terminal {
    struct watch input;                      /* standard input; added while there is room */
    bool ended;                              /* nothing comes any more */
    struct watch drained;                    /* the UART has room again */
    struct serial *serial;                   /* borrowed */
    bool raw;                                /* is a terminal, made raw */
    bool escaped;                            /* the last key was Ctrl-A */
    void (*quit)(struct terminal *terminal); /* Ctrl-A x */
};

/* Standard input, a terminal, becomes raw, and as it was. The first is -errno if it fails; it is
 * undone on every way out. */
int terminal_raw(void);
void terminal_restore(void);
/* Takes the escape and its keys away from `keys`; returns how many are left. *escaped is kept from
 * call to call, *ret_quit set when the user wants to stop. */
size_t terminal_take_escapes(bool *escaped, uint8_t *keys, size_t count, bool *ret_quit);

/* Makes standard input raw if it is a terminal and watches it in `loop`. 0 or -errno, logged. */
int terminal_open(struct terminal *terminal, struct loop *loop, struct serial *serial);
/* Restores. Accepts zeroed and closed terminals. */
void terminal_close(struct terminal *terminal);

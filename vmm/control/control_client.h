/* SPDX-License-Identifier: BSD-3-Clause */
/* `linnet control SOCKET WORDS...`: asks a running machine for something. */
#pragma once

/* argv: the words behind "control", ends with NULL. Exit status: 0 it was done; 1 it was not, or
 * nobody is there; 35 this can not be asked. */
int control_main(int argc, char **argv);

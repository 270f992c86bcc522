/* SPDX-License-Identifier: BSD-3-Clause */
/* `linnet doctor`: what this host can do for linnet, a line each, and what to do about what it
 * can't. */
#pragma once

/* argv: the words behind "doctor". Exit status: 0 if stock kernels can run here, 1 if not. */
int doctor_main(int argc, char **argv);

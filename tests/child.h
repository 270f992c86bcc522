/* SPDX-License-Identifier: BSD-3-Clause */
/* A process of a test's own. */
#pragma once

#include <sys/types.h>

/* fork() without failure. Of what the test has open the child has only standard input, output and
 * error; the rest is /dev/null to it. So what it asserts does not get into the file by which Check
 * hears of this test, which the two would share, and which a child that is killed would leave with
 * half a message: it is for the test to look at the child's exit status. */
pid_t child_fork(void);

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory that runs out on purpose. The test program is linked with --wrap for malloc, calloc and
 * strdup, so calls from our own files pass through here; calls inside shared libraries do not
 * (jansson has json_set_alloc_funcs: hand it alloc_fail_malloc). One thread.
 *
 *   for (unsigned n = 0; n < 100 && !done; n++) {
 *       alloc_fail_after(n);
 *       r = code_under_test();
 *       done = !alloc_fail_stop();       // false: nothing failed, so all n were seen
 *   }
 */
#pragma once

#include "vmm/base/base.h"

/* Lets `count` allocations succeed, then fails every one. */
void alloc_fail_after(unsigned count);
/* Back to normal. True if an allocation failed since alloc_fail_after(). */
bool alloc_fail_stop(void);

void *alloc_fail_malloc(size_t size);

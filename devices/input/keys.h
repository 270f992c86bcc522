/* SPDX-License-Identifier: BSD-3-Clause */
/* Keys by their names, for people. */
#pragma once

#include "vmm/base/base.h"

/* The evdev code of the key that is called so: a letter, digit or sign of a US keyboard, a name
 * such as "enter", "leftmeta", "btn_left", or a number. -1: none. `len` bytes of name. */
int key_find(const char *name, size_t len);

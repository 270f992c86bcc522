/* SPDX-License-Identifier: BSD-3-Clause */
/* The device tree of an arm64 machine, made from its platform table. Pure. */
#pragma once

#include "arch/arch.h"
#include "arch/tree.h"

/* Writes the machine into a tree that was just initialised. What can fail comes out of
 * tree_choose(). */
void arm64_tree(const struct platform *platform, struct tree *tree);

/* Where the console is: stdout-path. */
#define ARM64_STDOUT "/serial@9000000"

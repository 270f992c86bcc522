/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finds the modules of a kernel and what they depend on, without depmod: a module's place is in
 * modules.order (which a build tree has, too) or modules.dep, what it needs is in the module
 * itself. Main thread.
 */
#pragma once

#include "vmm/run/bytes.h"

#define MODULES_MAX      64
#define MODULE_NAME_SIZE 64

struct module {
    char name[MODULE_NAME_SIZE]; /* as the kernel writes it, with '_' */
    struct bytes bytes;          /* unpacked */
};

struct modules {
    const char *folder;                /* borrowed: /lib/modules/RELEASE, or a build tree */
    struct bytes order, dep, built_in; /* its lists; empty where there is none */
    unsigned count;
    struct module list[MODULES_MAX]; /* in the order of loading */
};

/* Reads the lists. 0; -ENOENT if the folder has none of them: then the kernel is taken to have all
 * built in. */
int modules_open(struct modules *modules, const char *folder);
/* Whether the kernel itself has it, as far as its lists say. */
bool modules_built_in(const struct modules *modules, const char *name);
/* Adds a module behind those it needs. 1; 0 if it is built in, or nowhere; -errno, logged. */
int modules_add(struct modules *modules, const char *name);
/* Accepts zeroed, and what failed. */
void modules_close(struct modules *modules);

/* For modules_add(): the value of a key of .modinfo in a module, or NULL. It ends within `module`.
 */
const char *module_info(const struct bytes *module, const char *key);

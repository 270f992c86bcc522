/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Shared libraries that are loaded when they are first needed: what a machine does not use costs
 * it nothing. A library is a struct of pointers to its functions, from one list:
 *
 *   #define SF_FUNCTIONS(F) F(sf_, open) F(sf_, close)
 *   struct sf { SF_FUNCTIONS(LIBRARY_FIELD) };              sf.open(...) calls sf_open(...)
 *   extern struct sf sf;
 *   extern const struct library sf_library;
 *
 *   struct sf sf;                                           in one .c
 *   const struct library sf_library = LIBRARY("libsndfile.so.1", "libsndfile1", sf, SF_FUNCTIONS);
 *
 * The struct is written once, by library_load() on main before there are other threads, and is the
 * one thing of its kind that all threads read.
 */
#pragma once

#include "vmm/base/base.h"

struct library {
    const char *file;    /* its soname */
    const char *package; /* Debian's, which has it */
    const char *names;   /* one after the other, each with its end; an empty one is the last */
    void *functions;     /* the struct: as many pointers */
};

#define LIBRARY_FIELD(prefix, name) __typeof__(prefix##name) *name;
#define LIBRARY_NAME(prefix, name)  #prefix #name "\0"
#define LIBRARY(file_, package_, table, FUNCTIONS)                                                 \
    {                                                                                              \
        .file = (file_), .package = (package_), .names = FUNCTIONS(LIBRARY_NAME),                  \
        .functions = &(table)                                                                      \
    }

/* Loads it, unless it is there already. 0, or -ENOPKG after a line that says what to install. */
int library_load(const struct library *library);

/* SPDX-License-Identifier: BSD-3-Clause */
/* See cairo_api.h. */
#include "vmm/cairo_api.h"

#include "vmm/log.h"

#include <dlfcn.h>

int cairo_api_load(struct cairo_api *ret_api)
{
    struct cairo_api api;
    void *library = dlopen(CAIRO_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    bool whole = library != NULL;

#define CAIRO_LOAD(name)                                                                           \
    api.name = library ? (__typeof__(api.name))dlsym(library, "cairo_" #name) : NULL;              \
    whole = whole && api.name;
    CAIRO_FUNCTIONS(CAIRO_LOAD)
#undef CAIRO_LOAD
    if (!whole) {
        (void)log_error(0, "--png: drawing needs %s; install it (Debian: libcairo2): %s",
                        CAIRO_LIBRARY, dlerror());
        return -ENOENT;
    }
    *ret_api = api;
    return 0;
}

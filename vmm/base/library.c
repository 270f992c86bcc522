/* SPDX-License-Identifier: BSD-3-Clause */
/* See library.h. A library stays until the process ends. */
#include "vmm/base/library.h"

#include "vmm/base/log.h"

#include <dlfcn.h>
#include <string.h>

int library_load(const struct library *library)
{
    static const void *const nothing;
    uint8_t *function = library->functions;

    if (memcmp(function, &nothing, sizeof(nothing)) != 0)
        return 0;
    void *handle = dlopen(library->file, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL)
        return log_plain(-ENOPKG, "%s; install Debian's %s", dlerror(), library->package);
    for (const char *name = library->names; *name != '\0'; name += strlen(name) + 1) {
        void *address = dlsym(handle, name);
        if (address == NULL) {
            memcpy(library->functions, &nothing, sizeof(nothing));
            return log_plain(-ENOPKG, "%s; a newer %s has it", dlerror(), library->package);
        }
        memcpy(function, &address, sizeof(address));
        function += sizeof(address);
    }
    return 0;
}

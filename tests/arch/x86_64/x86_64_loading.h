/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/arch/loading.h for x86_64_load(). */
#pragma once

#include "arch/x86_64/x86_64.h"
#include "tests/arch/loading.h"

static inline void loading_begin(struct loading *l, uint64_t ram_bytes)
{
    static const struct memory_layout ram = {0, 0xc0000000, 0x100000000};

    memset(l, 0, sizeof(*l));
    l->load = x86_64_load;
    loading_begin_on(l, ram_bytes, &ram, &x86_64_layout);
}

static inline bool ram_is_zero(const struct loading *l, gpa_t addr, uint64_t len)
{
    const uint8_t *host = ram(l, addr, len);

    for (uint64_t i = 0; i < len; i++)
        if (host[i] != 0)
            return false;
    return true;
}

static inline struct file file_of_size(size_t size, uint8_t fill)
{
    struct file file = {malloc(size), size};

    ck_assert_ptr_nonnull(file.bytes);
    memset(file.bytes, fill, size);
    return file;
}

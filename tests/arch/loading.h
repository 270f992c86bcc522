/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For tests of an architecture's load(): a machine with RAM, the architecture's platform table and
 * what the last load said. One machine at a time; addresses are the tests' own.
 */
#pragma once

#include "arch/arch.h"
#include "tests/capture.h"
#include "tests/fake_kernel.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#define LOAD_MIB (1024 * 1024ULL)

struct loading {
    int (*load)(const struct platform *platform, const struct image *kernel,
                const struct image *initrd, struct arch_entry *ret_entry);
    struct memory mem;
    struct platform platform;
    struct file kernel;
    struct file initrd;
    struct arch_entry entry;
    struct capture capture; /* what load() wrote */
};

/* With l->load set, and `ram` as the architecture has it. */
static inline void loading_begin_on(struct loading *l, uint64_t ram_bytes,
                                    const struct memory_layout *ram,
                                    const struct arch_layout *layout)
{
    ck_assert_int_eq(memory_create(&l->mem, ram_bytes, ram, MEMORY_PAGES_OFF), 0);
    l->platform =
        (struct platform){.cpu_count = 1, .mem = &l->mem, .cmdline = "console=ttyS0 quiet"};
    for (unsigned i = 0; i < layout->fixed_count; i++)
        l->platform.device[l->platform.device_count++] = layout->fixed[i];
}

static inline void loading_end(struct loading *l)
{
    file_free(&l->kernel);
    file_free(&l->initrd);
    memory_destroy(&l->mem);
}

/* Loads l->kernel and l->initrd; the result of load(). */
static inline int loading_run(struct loading *l)
{
    struct image kernel = {"vmlinuz", l->kernel.bytes, l->kernel.size};
    struct image initrd = {"initrd.img", l->initrd.bytes, l->initrd.size};

    capture_start(&l->capture);
    int r = l->load(&l->platform, &kernel, &initrd, &l->entry);
    (void)capture_end(&l->capture);
    return r;
}

/* Loads, and wants it refused with one line that has `text` in it. */
static inline void loading_refused(struct loading *l, int r, const char *text)
{
    ck_assert_int_eq(loading_run(l), r);
    ck_assert_one_error(l->capture.text, text);
}

/* Loads, and wants neither trouble nor words. */
static inline void loading_accepted(struct loading *l)
{
    ck_assert_int_eq(loading_run(l), 0);
    ck_assert_str_eq(l->capture.text, "");
}

static inline const uint8_t *ram(const struct loading *l, gpa_t addr, uint64_t len)
{
    const uint8_t *host = memory_at(&l->mem, addr, len);

    ck_assert_ptr_nonnull(host);
    return host;
}

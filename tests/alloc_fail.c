/* SPDX-License-Identifier: BSD-3-Clause */
/* See alloc_fail.h. The state is file-scope because malloc has no argument to carry it. */
#include "tests/alloc_fail.h"

/* The linker's names. Weak, so that a program linked without --wrap still links. */
void *__real_malloc(size_t size) __attribute__((weak));
void *__real_calloc(size_t count, size_t size) __attribute__((weak));
char *__real_strdup(const char *text) __attribute__((weak));
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
char *__wrap_strdup(const char *text);

static bool armed;
static unsigned left;
static bool failed;

void alloc_fail_after(unsigned count)
{
    left = count;
    failed = false;
    armed = true;
}

bool alloc_fail_stop(void)
{
    armed = false;
    return failed;
}

static bool fails(void)
{
    if (!armed || left-- > 0)
        return false;
    left = 0;
    failed = true;
    errno = ENOMEM;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

void *alloc_fail_malloc(size_t size)
{
    return malloc(size);
}

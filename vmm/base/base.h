/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ground everything stands on: sized integers with a byte order, overflow-checked
 * arithmetic, scoped clean-up and a few macros. Includes nothing of ours, has no state.
 */
#pragma once

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

/* A guest physical address. Becomes a host pointer in vmm/base/memory.c only. */
typedef uint64_t gpa_t;

/* Little-endian wire integers. A struct, so that arithmetic without a conversion does not compile.
 */
typedef struct {
    uint16_t raw;
} le16;
typedef struct {
    uint32_t raw;
} le32;
typedef struct {
    uint64_t raw;
} le64;

static inline le16 to_le16(uint16_t v)
{
    return (le16){htole16(v)};
}
static inline le32 to_le32(uint32_t v)
{
    return (le32){htole32(v)};
}
static inline le64 to_le64(uint64_t v)
{
    return (le64){htole64(v)};
}
static inline uint16_t from_le16(le16 v)
{
    return le16toh(v.raw);
}
static inline uint32_t from_le32(le32 v)
{
    return le32toh(v.raw);
}
static inline uint64_t from_le64(le64 v)
{
    return le64toh(v.raw);
}

/* C23's checked arithmetic: true if the exact result does not fit *ret. */
#define ckd_add(ret, a, b) __builtin_add_overflow((a), (b), (ret))
#define ckd_mul(ret, a, b) __builtin_mul_overflow((a), (b), (ret))

#define MIN(a, b)                                                                                  \
    ({                                                                                             \
        __typeof__(a) min_a_ = (a);                                                                \
        __typeof__(b) min_b_ = (b);                                                                \
        min_a_ < min_b_ ? min_a_ : min_b_;                                                         \
    })
#define MAX(a, b)                                                                                  \
    ({                                                                                             \
        __typeof__(a) max_a_ = (a);                                                                \
        __typeof__(b) max_b_ = (b);                                                                \
        max_a_ > max_b_ ? max_a_ : max_b_;                                                         \
    })
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* The next multiple of `unit`, or `value` if it is one. */
static inline uint64_t round_up(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) / unit * unit;
}

/* The struct of `type` whose member `member` is at `ptr`. */
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))

/* Closes *fd if it is open (>= 0) and makes it -1. Keeps errno. */
static inline void fd_close(int *fd)
{
    int saved = errno;

    if (*fd >= 0)
        (void)close(*fd); /* nothing sensible is left to do on failure */
    *fd = -1;
    errno = saved;
}

/* Hands an fd on: returns *fd and leaves -1 behind. */
static inline int fd_take(int *fd)
{
    int taken = *fd;

    *fd = -1;
    return taken;
}

static inline void free_ptr(void *ptr_to_ptr)
{
    free(*(void **)ptr_to_ptr);
}

/* Locals that free or close themselves when they leave scope. Initialise to NULL or -1. */
#define auto_free  __attribute__((cleanup(free_ptr)))
#define auto_close __attribute__((cleanup(fd_close)))

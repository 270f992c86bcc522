/* SPDX-License-Identifier: BSD-3-Clause */
/* See wrap.h. The state is file-scope because the calls have no argument to carry it. */
#include "tests/wrap.h"

#include "virtio/queue_inside.h"

#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

/* The linker's names. Weak, so that a program linked without --wrap still links. */
#define WRAPPED(ret, name, params)                                                                 \
    ret __real_##name params __attribute__((weak));                                                \
    ret __wrap_##name params;

WRAPPED(int, eventfd, (unsigned value, int flags))
WRAPPED(int, epoll_create1, (int flags))
WRAPPED(int, epoll_ctl, (int epoll_fd, int op, int fd, struct epoll_event *event))
WRAPPED(int, epoll_pwait2,
        (int epoll_fd, struct epoll_event *events, int max, const struct timespec *timeout,
         const sigset_t *mask))
WRAPPED(int, timerfd_create, (int clock, int flags))
WRAPPED(int, pthread_create,
        (pthread_t * thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg))
WRAPPED(void *, mmap, (void *addr, size_t len, int prot, int flags, int fd, off_t offset))
WRAPPED(int, mprotect, (void *addr, size_t len, int prot))
WRAPPED(ssize_t, getrandom, (void *buf, size_t len, unsigned flags))
WRAPPED(int, memfd_create, (const char *name, unsigned flags))
WRAPPED(int, accept4, (int fd, struct sockaddr *address, socklen_t *len, int flags))
WRAPPED(ssize_t, pread, (int fd, void *buf, size_t len, off_t offset))
WRAPPED(int, walk_grow, (struct walk * walk))

static struct {
    atomic_bool armed;
    atomic_uint left, failed;
    int error;
} calls[WRAP_CALLS];

static bool memfd_ordinary;
static unsigned memfd_flags;
static ssize_t (*_Atomic getrandom_instead)(void *buf, size_t len);
static void (*walk_hook)(void);

void wrap_fail_after(enum wrap_call call, unsigned count, int error)
{
    calls[call].left = count;
    calls[call].failed = 0;
    calls[call].error = error;
    calls[call].armed = true;
}

unsigned wrap_failures(enum wrap_call call)
{
    return calls[call].failed;
}

unsigned wrap_stop(enum wrap_call call)
{
    calls[call].armed = false;
    return calls[call].failed;
}

void wrap_stop_if_calm(enum wrap_call call)
{
    for (unsigned i = 0; i < 3000 && wrap_failures(call) == 0; i++)
        (void)usleep(10000);
    (void)usleep(50000);
    unsigned failed = wrap_stop(call);
    ck_assert_uint_gt(failed, 0);
    ck_assert_uint_lt(failed, 10);
}

void wrap_getrandom(ssize_t (*instead)(void *buf, size_t len))
{
    getrandom_instead = instead;
}

void wrap_walk(void (*hook)(void))
{
    walk_hook = hook;
}

/* The errno to fail with, or 0. */
static int failure(enum wrap_call call)
{
    if (!calls[call].armed)
        return 0;
    if (calls[call].left > 0) {
        calls[call].left--;
        return 0;
    }
    calls[call].failed++;
    return calls[call].error;
}

static bool fails(enum wrap_call call)
{
    int error = failure(call);

    if (error != 0)
        errno = error;
    return error != 0;
}

int __wrap_eventfd(unsigned value, int flags)
{
    return fails(WRAP_EVENTFD) ? -1 : __real_eventfd(value, flags);
}

int __wrap_epoll_create1(int flags)
{
    return fails(WRAP_EPOLL_CREATE1) ? -1 : __real_epoll_create1(flags);
}

int __wrap_epoll_ctl(int epoll_fd, int op, int fd, struct epoll_event *event)
{
    if (op == EPOLL_CTL_ADD && fails(WRAP_EPOLL_CTL))
        return -1;
    return __real_epoll_ctl(epoll_fd, op, fd, event);
}

int __wrap_epoll_pwait2(int epoll_fd, struct epoll_event *events, int max,
                        const struct timespec *timeout, const sigset_t *mask)
{
    return fails(WRAP_EPOLL_PWAIT2) ? -1
                                    : __real_epoll_pwait2(epoll_fd, events, max, timeout, mask);
}

int __wrap_timerfd_create(int clock, int flags)
{
    return fails(WRAP_TIMERFD_CREATE) ? -1 : __real_timerfd_create(clock, flags);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *),
                          void *arg)
{
    int error = failure(WRAP_PTHREAD_CREATE); /* returned, not left in errno */

    return error != 0 ? error : __real_pthread_create(thread, attr, start, arg);
}

void *__wrap_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
    return fails(WRAP_MMAP) ? MAP_FAILED : __real_mmap(addr, len, prot, flags, fd, offset);
}

ssize_t __wrap_pread(int fd, void *buf, size_t len, off_t offset)
{
    return fails(WRAP_PREAD) ? -1 : __real_pread(fd, buf, len, offset);
}

int __wrap_mprotect(void *addr, size_t len, int prot)
{
    return fails(WRAP_MPROTECT) ? -1 : __real_mprotect(addr, len, prot);
}

ssize_t __wrap_getrandom(void *buf, size_t len, unsigned flags)
{
    ssize_t (*instead)(void *, size_t) = getrandom_instead;

    if (fails(WRAP_GETRANDOM))
        return -1;
    return instead != NULL ? instead(buf, len) : __real_getrandom(buf, len, flags);
}

int __wrap_memfd_create(const char *name, unsigned flags)
{
    memfd_flags = flags;
    if (fails(WRAP_MEMFD_CREATE))
        return -1;
    return __real_memfd_create(name,
                               memfd_ordinary ? flags & (MFD_CLOEXEC | MFD_ALLOW_SEALING) : flags);
}

int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
    return fails(WRAP_ACCEPT4) ? -1 : __real_accept4(fd, address, len, flags);
}

void wrap_memfd_ordinary(void)
{
    memfd_ordinary = true;
}

unsigned wrap_memfd_stop(void)
{
    memfd_ordinary = false;
    return memfd_flags;
}

int __wrap_walk_grow(struct walk *walk)
{
    void (*hook)(void) = walk_hook;

    if (hook != NULL) {
        walk_hook = NULL; /* with a hook there is one thread; without, workers only look */
        hook();
    }
    return __real_walk_grow(walk);
}

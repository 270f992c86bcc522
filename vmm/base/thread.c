/* SPDX-License-Identifier: BSD-3-Clause */
/* See thread.h. */
#include "vmm/base/thread.h"

#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#define MAP_BYTES (THREAD_GUARD_BYTES + THREAD_STACK_BYTES)

static sigset_t role_signals(enum thread_role role)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS};
    sigset_t blocked;

    (void)sigfillset(&blocked); /* neither this nor sigdelset() can fail: the signals exist */
    for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
        (void)sigdelset(&blocked, faults[i]);
    if (role == THREAD_VCPU || role == THREAD_CONSOLE)
        (void)sigdelset(&blocked, THREAD_KICK_SIGNAL);
    return blocked;
}

static void kicked(int signal)
{
    (void)signal;
}

static void *thread_main(void *arg)
{
    struct thread *thread = arg;

    (void)prctl(PR_SET_NAME, thread->name); /* cosmetic */
    (void)prctl(PR_SET_TIMERSLACK, 1ul);    /* ns: an alarm of a loop comes when it is due */
    thread->run(thread->arg);
    return NULL;
}

static int stack_map(uint8_t **ret_stack)
{
    void *stack = mmap(NULL, MAP_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);

    if (stack == MAP_FAILED)
        return -errno;
    if (mprotect(stack, THREAD_GUARD_BYTES, PROT_NONE) < 0) {
        int r = -errno;
        (void)munmap(stack, MAP_BYTES); /* fails on our own bugs only */
        return r;
    }
    *ret_stack = stack;
    return 0;
}

int thread_start(struct thread *thread, enum thread_role role, const char *name,
                 void (*run)(void *arg), void *arg)
{
    struct sigaction kick = {.sa_handler = kicked}; /* no SA_RESTART: it is to interrupt */
    sigset_t blocked = role_signals(role);
    pthread_attr_t attr;

    assert(!thread_running(thread));
    (void)sigaction(THREAD_KICK_SIGNAL, &kick, NULL); /* the signal exists: cannot fail */
    *thread = (struct thread){.run = run, .arg = arg};
    (void)snprintf(thread->name, sizeof(thread->name), "%s", name);
    int r = stack_map(&thread->stack);
    if (r < 0)
        return r;
    (void)pthread_attr_init(&attr); /* these three fail on our own bugs only */
    (void)pthread_attr_setstack(&attr, thread->stack + THREAD_GUARD_BYTES, THREAD_STACK_BYTES);
    (void)pthread_attr_setsigmask_np(&attr, &blocked);
    r = -pthread_create(&thread->id, &attr, thread_main, thread);
    (void)pthread_attr_destroy(&attr);
    if (r < 0) {
        (void)munmap(thread->stack, MAP_BYTES);
        thread->stack = NULL;
    }
    return r;
}

void thread_join(struct thread *thread)
{
    if (!thread_running(thread))
        return;
    assert(!pthread_equal(pthread_self(), thread->id));
    (void)pthread_join(thread->id, NULL); /* both fail on our own bugs only */
    (void)munmap(thread->stack, MAP_BYTES);
    thread->stack = NULL;
}

void thread_kick(const struct thread *thread)
{
    assert(thread_running(thread));
    (void)pthread_kill(thread->id, THREAD_KICK_SIGNAL); /* the thread is not joined: cannot fail */
}

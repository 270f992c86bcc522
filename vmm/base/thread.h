/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threads. Main makes every thread before the guest runs and joins it after, so that none is
 * created, and no stack mapped, while a guest could provoke it. A thread has a role, a name that it
 * sets itself, and a stack of ours: nothing is left to the C library that would open a file, map or
 * unmap when a thread begins or ends.
 *
 *   role           runs                      signals that reach it
 *   THREAD_VCPU      KVM_RUN and registers       faults, THREAD_KICK_SIGNAL
 *   THREAD_CONSOLE   calls that block: blocker.h faults, THREAD_KICK_SIGNAL
 *   THREAD_WORKER    a loop or I/O, of a device  faults
 *   THREAD_LISTENER  ears, of a sound device     faults
 *
 * The faults (SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS) are blocked nowhere: a handler that
 * sets the terminal right runs on whichever thread breaks. All other signals are main's.
 */
#pragma once

#include "vmm/base/base.h"

#include <pthread.h>

/* What interrupts KVM_RUN, or a write that blocks. Its handler does nothing. */
#define THREAD_KICK_SIGNAL SIGRTMIN

/* As much as alsa-lib and libsndfile could want; less than a huge page, so that what is touched is
 * all that it costs. */
#define THREAD_STACK_BYTES (1u << 20)
#define THREAD_GUARD_BYTES (64u << 10) /* a multiple of every page size that arm64 knows */

enum thread_role { THREAD_VCPU, THREAD_CONSOLE, THREAD_WORKER, THREAD_LISTENER };

/* Lives in the struct that uses it, and stays there while it runs. Zeroed: not running. */
struct thread {
    pthread_t id;
    char name[16]; /* as ps -L shows it, cut */
    void (*run)(void *arg);
    void *arg;
    uint8_t *stack; /* owned: the guard, then the stack; NULL: not running */
};

/* Main. Has run(arg) called on a thread of its own; `name` is copied. -errno: nothing is left. */
int thread_start(struct thread *thread, enum thread_role role, const char *name,
                 void (*run)(void *arg), void *arg);
/* Main. Waits until run() has returned, gives the stack back. Does nothing if not running. */
void thread_join(struct thread *thread);
/* Any thread, from start to join: sends THREAD_KICK_SIGNAL, to a vCPU or a console. */
void thread_kick(const struct thread *thread);

static inline bool thread_running(const struct thread *thread)
{
    return thread->stack != NULL;
}

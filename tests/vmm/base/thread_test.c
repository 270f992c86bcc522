/* SPDX-License-Identifier: BSD-3-Clause */
/* Threads: whose signals, whose name, whose stack. */
#include "vmm/base/thread.h"

#include "tests/wrap.h"

#include <check.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS};
static const int mains[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE, SIGALRM};

/* What a thread saw of itself: read after the join. */
struct seen {
    sigset_t blocked;
    char name[16];
    uintptr_t local;
};

static void look(void *arg)
{
    struct seen *seen = arg;
    volatile char local = 0;

    (void)pthread_sigmask(SIG_SETMASK, NULL, &seen->blocked);
    (void)prctl(PR_GET_NAME, seen->name);
    seen->local = (uintptr_t)&local;
}

START_TEST(thread_blocks_what_is_mains_and_no_fault)
{
    static const enum thread_role roles[] = {THREAD_VCPU, THREAD_CONSOLE, THREAD_WORKER,
                                             THREAD_LISTENER};
    struct thread thread = {0};
    struct seen seen;
    sigset_t before, after;

    (void)sigemptyset(&before); /* the system writes a part of them */
    (void)sigemptyset(&after);
    (void)pthread_sigmask(SIG_SETMASK, NULL, &before);
    ck_assert_int_eq(thread_start(&thread, roles[_i], "t", look, &seen), 0);
    thread_join(&thread);
    for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
        ck_assert_int_eq(sigismember(&seen.blocked, faults[i]), 0);
    for (size_t i = 0; i < ARRAY_SIZE(mains); i++)
        ck_assert_int_eq(sigismember(&seen.blocked, mains[i]), 1);
    ck_assert_int_eq(sigismember(&seen.blocked, THREAD_KICK_SIGNAL), _i >= 2);
    (void)pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (int signal = 1; signal < SIGRTMAX; signal++) /* its bytes are more than its signals */
        ck_assert_int_eq(sigismember(&before, signal), sigismember(&after, signal));
}
END_TEST

START_TEST(thread_has_its_name_cut)
{
    struct thread thread = {0};
    struct seen seen;

    ck_assert_int_eq(thread_start(&thread, THREAD_WORKER, "longer than fifteen", look, &seen), 0);
    thread_join(&thread);
    ck_assert_str_eq(seen.name, "longer than fif");
}
END_TEST

/* The rights of the mapping that has `addr`, as /proc/self/maps shows them. */
static void rights_at(uintptr_t addr, char ret_rights[5])
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512];

    ck_assert_ptr_nonnull(maps);
    strcpy(ret_rights, "none");
    while (fgets(line, sizeof(line), maps) != NULL) {
        unsigned long from, to;
        char rights[5];
        if (sscanf(line, "%lx-%lx %4s", &from, &to, rights) == 3 && from <= addr && addr < to)
            strcpy(ret_rights, rights);
    }
    (void)fclose(maps);
}

START_TEST(thread_runs_on_our_stack_above_a_guard)
{
    struct thread thread = {0};
    struct seen seen;
    char guard[5], lowest[5];

    ck_assert_int_eq(thread_start(&thread, THREAD_WORKER, "t", look, &seen), 0);
    uintptr_t end = (uintptr_t)thread.stack + THREAD_GUARD_BYTES + THREAD_STACK_BYTES;
    uintptr_t begin = end - THREAD_STACK_BYTES;
    rights_at(begin - 1, guard);
    rights_at(begin, lowest);
    thread_join(&thread);
    ck_assert_str_eq(guard, "---p");
    ck_assert_str_eq(lowest, "rw-p");
    ck_assert_uint_gt(seen.local, begin);
    ck_assert_uint_lt(seen.local, end);
    rights_at(begin, lowest);
    ck_assert_str_eq(lowest, "none"); /* given back */
}
END_TEST

START_TEST(thread_that_cannot_be_made_leaves_nothing)
{
    static const enum wrap_call calls[] = {WRAP_MMAP, WRAP_MPROTECT, WRAP_PTHREAD_CREATE};
    struct thread thread = {0};
    struct seen seen = {0};

    wrap_fail_after(calls[_i], 0, EAGAIN);
    int r = thread_start(&thread, THREAD_WORKER, "t", look, &seen);
    wrap_stop(calls[_i]);
    ck_assert_int_eq(r, -EAGAIN);
    ck_assert(!thread_running(&thread));
    thread_join(&thread); /* nothing to join */
    ck_assert_int_eq(thread_start(&thread, THREAD_WORKER, "t", look, &seen), 0);
    thread_join(&thread);
    ck_assert_str_eq(seen.name, "t");
}
END_TEST

static atomic_uint kicked;

static void note_kick(int signal)
{
    (void)signal;
    kicked++;
}

static void wait_for_kick(void *arg)
{
    sigset_t all, old;
    (void)arg;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    while (kicked == 0)
        (void)sigsuspend(&old);
}

START_TEST(kick_reaches_a_vcpu)
{
    struct sigaction action = {.sa_handler = note_kick};
    struct thread thread = {0};

    kicked = 0;
    ck_assert_int_eq(thread_start(&thread, THREAD_VCPU, "vcpu0", wait_for_kick, NULL), 0);
    (void)sigaction(THREAD_KICK_SIGNAL, &action,
                    NULL); /* in the place of the one that does nothing */
    thread_kick(&thread);
    thread_join(&thread); /* or hangs */
    ck_assert_uint_eq(kicked, 1);
}
END_TEST

Suite *thread_suite(void);
Suite *thread_suite(void)
{
    Suite *suite = suite_create("thread");
    TCase *tcase = tcase_create("life");

    tcase_add_loop_test(tcase, thread_blocks_what_is_mains_and_no_fault, 0, 4);
    tcase_add_test(tcase, thread_has_its_name_cut);
    tcase_add_test(tcase, thread_runs_on_our_stack_above_a_guard);
    tcase_add_loop_test(tcase, thread_that_cannot_be_made_leaves_nothing, 0, 3);
    tcase_add_test(tcase, kick_reaches_a_vcpu);
    suite_add_tcase(suite, tcase);
    return suite;
}

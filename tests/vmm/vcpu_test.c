/* SPDX-License-Identifier: BSD-3-Clause */
/* vCPU threads under a scripted KVM: each exit, and how they start, pause, resume and stop. */
#include "vmm/vcpu.h"

#include "tests/alloc_fail.h"
#include "tests/capture.h"
#include "tests/fake_kvm.h"
#include "tests/wrap.h"

#include <check.h>
#include <sched.h>
#include <string.h>

#define DEVICE_AT    0xd0000000u
#define DEVICE_BYTES 0x100
#define REG_END      0x80 /* a write ends the machine */
#define REG_HELD     0x88 /* a read takes until the vCPUs have another order */

static struct kvm kvm;
static struct memory mem;
static struct bus mmio, pio;
static struct vcpu_env env;
static struct capture capture;
static atomic_int ended; /* enum vm_end */
static atomic_uint accesses, held;
static struct {
    uint64_t off, data;
    size_t len;
} last_write;

static void device_read(void *ctx, uint64_t off, void *ret_buf, size_t len)
{
    const uint64_t value = 0x8877665544332211;

    (void)ctx;
    memcpy(ret_buf, &value, len);
    accesses++;
    if (off == REG_HELD) {
        held++;
        while (env.order == VCPU_RUN)
            (void)sched_yield();
    }
}

static void device_write(void *ctx, uint64_t off, const void *buf, size_t len)
{
    (void)ctx;
    last_write.off = off;
    last_write.len = len;
    last_write.data = 0;
    memcpy(&last_write.data, buf, len);
    accesses++;
    if (off == REG_END)
        env.end(&env, VM_POWEROFF);
}

static const struct bus_ops device_ops = {.read = device_read, .write = device_write};

static void end(struct vcpu_env *which, enum vm_end how)
{
    int running = VM_RUNNING;

    (void)atomic_compare_exchange_strong(&ended, &running, (int)how);
    vcpus_stop(which);
}

static void setup(void)
{
    const struct memory_layout layout = {.base = 0, .hole_start = 1 << 20, .hole_end = 2 << 20};

    fake_kvm_start();
    ck_assert_int_eq(kvm_open(&kvm), 0);
    ck_assert_int_eq(kvm_create_vm(&kvm, 0), 0);
    ck_assert_int_eq(memory_create(&mem, 1 << 20, &layout, MEMORY_PAGES_OFF), 0);
    bus_init(&mmio);
    bus_init(&pio);
    ck_assert_int_eq(bus_add(&mmio, DEVICE_AT, DEVICE_BYTES, &device_ops, NULL), 0);
    env = (struct vcpu_env){.kvm = &kvm, .mem = &mem, .mmio = &mmio, .pio = &pio, .end = end};
    ended = VM_RUNNING;
    accesses = held = 0;
}

static void teardown(void)
{
    vcpus_destroy(&env);
    bus_fini(&pio);
    bus_fini(&mmio);
    memory_destroy(&mem);
    kvm_close(&kvm);
    fake_kvm_stop();
}

static void start(unsigned count)
{
    ck_assert_int_eq(vcpus_create(&env, count), 0);
    ck_assert_int_eq(vcpus_start(&env), 0);
    vcpus_resume(&env);
}

/* One vCPU runs this script until it ends the machine. What was told is in capture. */
static const char *run_to_end(const struct fake_exit *exits, unsigned count)
{
    fake_kvm_script(0, exits, count);
    ck_assert_int_eq(vcpus_create(&env, 1), 0);
    capture_start(&capture);
    int r = vcpus_start(&env);
    vcpus_resume(&env);
    vcpus_join(&env);
    const char *text = capture_end(&capture);
    ck_assert_int_eq(r, 0);
    return text;
}

/* One vCPU runs this script, and is left asleep behind it. */
static void run_to_sleep(const struct fake_exit *exits, unsigned count)
{
    fake_kvm_script(0, exits, count);
    start(1);
    fake_kvm_wait_idle(0);
}

/* -- exits -- */

static const struct {
    struct fake_exit exit;
    enum vm_end end;
    const char *told;
} ends[] = {
    {{.reason = KVM_EXIT_SYSTEM_EVENT, .data = 1}, VM_POWEROFF, ""},
    {{.reason = KVM_EXIT_SYSTEM_EVENT, .data = 2}, VM_RESET, ""},
    {{.reason = KVM_EXIT_SYSTEM_EVENT, .data = 3}, VM_CRASHED, "system event 3"},
    {{.reason = KVM_EXIT_SYSTEM_EVENT, .data = 77}, VM_CRASHED, "system event 77"},
    {{.reason = KVM_EXIT_SHUTDOWN}, VM_CRASHED, "triple fault"},
    {{.reason = KVM_EXIT_FAIL_ENTRY, .data = 0x80000021}, VM_CRASHED, "0x80000021"},
    {{.reason = KVM_EXIT_INTERNAL_ERROR, .data = 1}, VM_CRASHED, "cannot emulate"},
    {{.reason = KVM_EXIT_INTERNAL_ERROR, .data = 3}, VM_CRASHED, "KVM internal error (0x3)"},
    {{.reason = KVM_EXIT_UNKNOWN}, VM_CRASHED, "unknown exit from KVM (0x0)"},
    {{.reason = 999}, VM_CRASHED, "unknown exit from KVM (0x3e7)"},
    {{.error = ENOSYS}, VM_CRASHED, "KVM cannot decode"},
    {{.error = EFAULT}, VM_HOST_ERROR, "vCPU 0: this host can't give what the guest has as memory"},
    {{.error = ENOMEM}, VM_HOST_ERROR, "vCPU 0: KVM_RUN: Cannot allocate memory"},
};

START_TEST(exit_that_ends_the_machine_says_how)
{
    const char *text = run_to_end(&ends[_i].exit, 1);

    ck_assert_int_eq(ended, ends[_i].end);
    ck_assert_ptr_nonnull(strstr(text, ends[_i].told));
    ck_assert_int_eq(text[0] == '\0', ends[_i].told[0] == '\0');
}
END_TEST

START_TEST(interrupted_runs_go_on)
{
    static const struct fake_exit exits[] = {
        {.error = EINTR},
        {.error = EAGAIN},
        {.reason = KVM_EXIT_INTR},
        {.reason = KVM_EXIT_MMIO, .write = true, .addr = DEVICE_AT, .size = 1, .data = 7},
    };

    run_to_sleep(exits, ARRAY_SIZE(exits));
    ck_assert_uint_eq(accesses, 1);
    ck_assert_int_eq(ended, VM_RUNNING);
}
END_TEST

static const uint8_t widths[] = {1, 2, 4, 8};

START_TEST(mmio_read_gives_the_guest_what_the_device_has)
{
    const uint64_t values[] = {0x11, 0x2211, 0x44332211, 0x8877665544332211};
    const struct fake_exit exits[] = {
        {.reason = KVM_EXIT_MMIO, .addr = DEVICE_AT + 8, .size = widths[_i]},
        {.reason = KVM_EXIT_MMIO, .addr = DEVICE_AT - 8, .size = widths[_i]}, /* nobody */
    };

    run_to_sleep(exits, ARRAY_SIZE(exits));
    ck_assert_uint_eq(accesses, 1);
    ck_assert_uint_eq(fake_kvm_guest_data(0, 0), values[_i]);
    ck_assert_uint_eq(fake_kvm_guest_data(0, 1), UINT64_MAX >> (64 - 8 * widths[_i]));
}
END_TEST

START_TEST(mmio_write_reaches_the_device)
{
    const uint64_t values[] = {0xef, 0xcdef, 0x89abcdef, 0x0123456789abcdef};
    const struct fake_exit exits[] = {
        {.reason = KVM_EXIT_MMIO,
         .write = true,
         .addr = DEVICE_AT + 16,
         .size = widths[_i],
         .data = 0x0123456789abcdef},
        {.reason = KVM_EXIT_MMIO, .write = true, .addr = 0, .size = widths[_i]}, /* nobody */
    };

    run_to_sleep(exits, ARRAY_SIZE(exits));
    ck_assert_uint_eq(accesses, 1);
    ck_assert_uint_eq(last_write.off, 16);
    ck_assert_uint_eq(last_write.len, widths[_i]);
    ck_assert_uint_eq(last_write.data, values[_i]);
}
END_TEST

/* -- end -- */

static const struct fake_exit asks_and_writes_on[] = {
    {.reason = KVM_EXIT_MMIO, .write = true, .addr = DEVICE_AT + REG_END, .size = 4},
    {.reason = KVM_EXIT_MMIO, .write = true, .addr = DEVICE_AT, .size = 4},
};

START_TEST(vcpu_that_asked_for_the_end_stops_at_that_instruction)
{
    ck_assert_str_eq(run_to_end(asks_and_writes_on, 2), "");
    ck_assert_int_eq(ended, VM_POWEROFF);
    ck_assert_uint_eq(accesses, 1);
    ck_assert_uint_eq(fake_kvm_completed(0), 0);
}
END_TEST

static void wait_for_end(void)
{
    while (env.order != VCPU_STOP)
        (void)sched_yield();
}

/* The other one's exit comes from KVM when the end was asked for already. */
START_TEST(other_vcpus_stop_before_their_next_exit_is_served)
{
    static const struct fake_exit late[] = {
        {.reason = KVM_EXIT_MMIO,
         .write = true,
         .addr = DEVICE_AT,
         .size = 4,
         .during = wait_for_end},
    };

    fake_kvm_script(0, asks_and_writes_on, 2);
    fake_kvm_script(1, late, 1);
    start(3); /* and one that sleeps */
    vcpus_join(&env);
    ck_assert_int_eq(ended, VM_POWEROFF);
    ck_assert_uint_eq(accesses, 1);
}
END_TEST

/* Stopped at any moment of its start: a kick that is lost would hang here. */
START_TEST(no_kick_is_lost)
{
    for (unsigned round = 0; round < 300; round++) {
        start(2);
        if (round % 3 == 0)
            fake_kvm_wait_idle(1);
        vcpus_stop(&env);
        vcpus_join(&env);
        vcpus_destroy(&env);
        teardown();
        setup();
    }
}
END_TEST

/* -- pause -- */

static const struct fake_exit reads[] = {
    {.reason = KVM_EXIT_MMIO, .addr = DEVICE_AT, .size = 4},
    {.reason = KVM_EXIT_MMIO, .addr = DEVICE_AT + REG_HELD, .size = 2},
    {.reason = KVM_EXIT_MMIO, .addr = DEVICE_AT, .size = 1},
};

static void pause_while_held(void)
{
    while (held == 0)
        (void)sched_yield();
    vcpus_pause(&env);
}

START_TEST(paused_vcpu_has_completed_its_exit_and_no_more)
{
    fake_kvm_script(0, reads, ARRAY_SIZE(reads));
    start(1);
    pause_while_held();
    ck_assert_uint_eq(accesses, 2);
    ck_assert_uint_eq(fake_kvm_completed(0), 2);
    ck_assert_uint_eq(fake_kvm_guest_data(0, 1), 0x2211);
    vcpus_resume(&env);
    fake_kvm_wait_idle(0);
    ck_assert_uint_eq(fake_kvm_completed(0), 3);
    ck_assert_uint_eq(fake_kvm_guest_data(0, 2), 0x11);
}
END_TEST

/* An access of 16 bytes is two exits of one instruction. */
START_TEST(access_in_pieces_is_completed_before_the_pause)
{
    static const struct fake_exit pieces[] = {
        {.reason = KVM_EXIT_MMIO, .addr = DEVICE_AT + REG_HELD, .size = 8, .more = true},
        {.reason = KVM_EXIT_MMIO, .addr = DEVICE_AT, .size = 8},
        {.reason = KVM_EXIT_MMIO, .addr = DEVICE_AT, .size = 1},
    };

    fake_kvm_script(0, pieces, ARRAY_SIZE(pieces));
    start(1);
    pause_while_held();
    ck_assert_uint_eq(accesses, 2);
    ck_assert_uint_eq(fake_kvm_completed(0), 2);
}
END_TEST

/* The last piece asks for the end: all the same nobody waits for ever. */
START_TEST(machine_that_ends_while_it_is_paused_is_stopped)
{
    static const struct fake_exit pieces[] = {
        {.reason = KVM_EXIT_MMIO, .addr = DEVICE_AT + REG_HELD, .size = 8, .more = true},
        {.reason = KVM_EXIT_MMIO, .write = true, .addr = DEVICE_AT + REG_END, .size = 8},
        {.reason = KVM_EXIT_MMIO, .addr = DEVICE_AT, .size = 1},
    };

    fake_kvm_script(0, pieces, ARRAY_SIZE(pieces));
    start(2);
    pause_while_held();
    ck_assert_int_eq(ended, VM_POWEROFF);
    vcpus_resume(&env); /* it stays so */
    vcpus_join(&env);
    ck_assert_uint_eq(accesses, 2);
}
END_TEST

/* Two that end the machine at once, for one: main joins once either of them says so. */
START_TEST(stopped_vcpus_are_left_alone)
{
    start(2);
    vcpus_stop(&env);
    env.vcpu[1].run->immediate_exit = 0;
    vcpus_stop(&env);
    ck_assert_uint_eq(env.vcpu[1].run->immediate_exit, 0);
    vcpus_pause(&env);
    ck_assert_uint_eq(env.vcpu[1].run->immediate_exit, 0);
    vcpus_join(&env);
}
END_TEST

START_TEST(sleeping_vcpus_pause_resume_and_stop_again_and_again)
{
    start(FAKE_KVM_VCPUS_MAX);
    for (unsigned round = 0; round < 50; round++) {
        vcpus_pause(&env);
        vcpus_pause(&env); /* twice is once */
        ck_assert_uint_eq(env.running, 0);
        vcpus_resume(&env);
        if (round % 2 == 0)
            fake_kvm_wait_idle(round % FAKE_KVM_VCPUS_MAX);
    }
    vcpus_pause(&env);
    vcpus_stop(&env);
    vcpus_join(&env);
}
END_TEST

/* Pauses at whatever moment they come: what is complete is what was served. */
START_TEST(no_exit_is_lost_or_doubled_by_pauses)
{
    static struct fake_exit many[1000];

    for (size_t i = 0; i < ARRAY_SIZE(many); i++)
        many[i] = (struct fake_exit){
            .reason = KVM_EXIT_MMIO, .addr = DEVICE_AT, .size = i % 2 == 0 ? 1 : 4};
    fake_kvm_script(0, many, ARRAY_SIZE(many));
    start(1);
    for (unsigned round = 0; round < 100; round++) {
        vcpus_pause(&env);
        ck_assert_uint_eq(fake_kvm_completed(0), accesses);
        vcpus_resume(&env);
    }
    fake_kvm_wait_idle(0);
    ck_assert_uint_eq(accesses, ARRAY_SIZE(many));
    for (unsigned i = 0; i < ARRAY_SIZE(many); i++)
        ck_assert_uint_eq(fake_kvm_guest_data(0, i), i % 2 == 0 ? 0x11 : 0x44332211);
}
END_TEST

/* -- what may fail -- */

static void assert_one_error(int r, int want)
{
    const char *text = capture_end(&capture);

    ck_assert_int_eq(r, want);
    ck_assert_one_error(text, "");
}

START_TEST(create_that_lacks_something_is_one_line)
{
    capture_start(&capture);
    alloc_fail_after(0);
    int r = vcpus_create(&env, 2);
    ck_assert(alloc_fail_stop());
    assert_one_error(r, -ENOMEM);
    vcpus_destroy(&env);

    fake_kvm_fail(KVM_CREATE_VCPU, 1, EEXIST);
    capture_start(&capture);
    r = vcpus_create(&env, 2);
    assert_one_error(r, -EEXIST);
    vcpus_destroy(&env);
}
END_TEST

START_TEST(run_page_that_cannot_be_mapped_is_one_line)
{
    capture_start(&capture);
    wrap_fail_after(WRAP_MMAP, 1, ENOMEM); /* the first is the fake's own */
    int r = vcpus_create(&env, 1);
    ck_assert_uint_eq(wrap_stop(WRAP_MMAP), 1);
    assert_one_error(r, -ENOMEM);
}
END_TEST

START_TEST(thread_that_cannot_start_is_one_line)
{
    ck_assert_int_eq(vcpus_create(&env, 2), 0);
    capture_start(&capture);
    wrap_fail_after(WRAP_PTHREAD_CREATE, 1, EAGAIN);
    int r = vcpus_start(&env);
    ck_assert_uint_eq(wrap_stop(WRAP_PTHREAD_CREATE), 1);
    assert_one_error(r, -EAGAIN);
}
END_TEST

Suite *vcpu_suite(void);
Suite *vcpu_suite(void)
{
    Suite *suite = suite_create("vcpu");
    TCase *tc = tcase_create("exits");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, exit_that_ends_the_machine_says_how, 0, ARRAY_SIZE(ends));
    tcase_add_test(tc, interrupted_runs_go_on);
    tcase_add_loop_test(tc, mmio_read_gives_the_guest_what_the_device_has, 0, 4);
    tcase_add_loop_test(tc, mmio_write_reaches_the_device, 0, 4);
    suite_add_tcase(suite, tc);
    tc = tcase_create("life");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, vcpu_that_asked_for_the_end_stops_at_that_instruction);
    tcase_add_test(tc, other_vcpus_stop_before_their_next_exit_is_served);
    tcase_add_test(tc, no_kick_is_lost);
    tcase_add_test(tc, paused_vcpu_has_completed_its_exit_and_no_more);
    tcase_add_test(tc, access_in_pieces_is_completed_before_the_pause);
    tcase_add_test(tc, machine_that_ends_while_it_is_paused_is_stopped);
    tcase_add_test(tc, stopped_vcpus_are_left_alone);
    tcase_add_test(tc, sleeping_vcpus_pause_resume_and_stop_again_and_again);
    tcase_add_test(tc, no_exit_is_lost_or_doubled_by_pauses);
    tcase_add_test(tc, create_that_lacks_something_is_one_line);
    tcase_add_test(tc, run_page_that_cannot_be_mapped_is_one_line);
    tcase_add_test(tc, thread_that_cannot_start_is_one_line);
    suite_add_tcase(suite, tc);
    return suite;
}

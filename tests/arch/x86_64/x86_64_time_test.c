/* SPDX-License-Identifier: BSD-3-Clause */
/* The guest's clock and TSC over a pause, under a fake KVM whose TSC runs at 2 GHz. */
#include "arch/arch.h"
#include "tests/capture.h"
#include "tests/fake_kvm.h"
#include "vmm/vcpu.h"

#include <check.h>
#include <string.h>

#define TSC_KHZ 2000000 /* two ticks a nanosecond */

static struct kvm kvm;
static struct vcpu_env env;
static struct capture capture;
static struct {
    uint64_t clock_ns, host_tsc;
    uint32_t flags;
    uint64_t offset[2];
} host;

static int clock_get(const struct fake_call *call)
{
    *(struct kvm_clock_data *)call->arg = (struct kvm_clock_data){
        .clock = host.clock_ns, .flags = host.flags, .host_tsc = host.host_tsc};
    return 0;
}

/* Setting it takes 500 ns, of the clock and of the host's TSC. */
static int clock_set(const struct fake_call *call)
{
    const struct kvm_clock_data *clock = call->arg;

    ck_assert_uint_eq(clock->flags, 0);
    host.clock_ns = clock->clock + 500;
    host.host_tsc += 1000;
    return 0;
}

static int tsc_khz(const struct fake_call *call)
{
    (void)call;
    return TSC_KHZ;
}

static uint64_t *attribute(const struct fake_call *call)
{
    const struct kvm_device_attr *attr = call->arg;

    ck_assert_uint_eq(attr->group, 0); /* the TSC's */
    ck_assert_uint_eq(attr->attr, 0);  /* its offset */
    return (uint64_t *)(uintptr_t)attr->addr;
}

static int offset_get(const struct fake_call *call)
{
    *attribute(call) = host.offset[call->index];
    return 0;
}

static int offset_set(const struct fake_call *call)
{
    host.offset[call->index] = *attribute(call);
    return 0;
}

static int msr_get(const struct fake_call *call)
{
    struct kvm_msrs *msrs = call->arg;

    ck_assert_uint_eq(msrs->nmsrs, 1);
    ck_assert_uint_eq(msrs->entries[0].index, 0x10);
    msrs->entries[0].data = 123456789;
    return 1;
}

static uint64_t tscs[8]; /* as they were set */
static unsigned set_count;

static int msr_set(const struct fake_call *call)
{
    const struct kvm_msrs *msrs = call->arg;

    ck_assert_uint_eq(msrs->entries[0].index, 0x10);
    tscs[set_count++] = msrs->entries[0].data;
    return 1;
}

static void setup(void)
{
    fake_kvm_start();
    ck_assert_int_eq(kvm_open(&kvm), 0);
    ck_assert_int_eq(kvm_create_vm(&kvm, 0), 0);
    env = (struct vcpu_env){.kvm = &kvm};
    ck_assert_int_eq(vcpus_create(&env, 2), 0);
    fake_kvm_answer(KVM_GET_CLOCK, clock_get);
    fake_kvm_answer(KVM_SET_CLOCK, clock_set);
    fake_kvm_answer(KVM_GET_TSC_KHZ, tsc_khz);
    fake_kvm_answer(KVM_GET_DEVICE_ATTR, offset_get);
    fake_kvm_answer(KVM_SET_DEVICE_ATTR, offset_set);
    fake_kvm_answer(KVM_GET_MSRS, msr_get);
    fake_kvm_answer(KVM_SET_MSRS, msr_set);
    memset(&host, 0, sizeof(host));
    host.clock_ns = 7000000;
    host.host_tsc = 40000000;
    host.flags = KVM_CLOCK_HOST_TSC;
    host.offset[0] = host.offset[1] = (uint64_t)-30000000;
    set_count = 0;
}

static void teardown(void)
{
    vcpus_destroy(&env);
    kvm_close(&kvm);
    fake_kvm_stop();
}

START_TEST(clock_and_tsc_stand_still_over_a_pause)
{
    struct arch_time time;

    ck_assert_int_eq(arch_time_stop(&env, &time), 0);
    host.clock_ns += 10000000000; /* ten seconds */
    host.host_tsc += 20000000000;
    ck_assert_int_eq(arch_time_resume(&env, &time), 0);
    ck_assert_uint_eq(host.clock_ns, 7000500);
    /* The guest's TSC: 10,000,000 when it stopped, and the 500 ns since the clock was set. */
    ck_assert_uint_eq(host.host_tsc + host.offset[0], 10001000);
    ck_assert_uint_eq(host.host_tsc + host.offset[1], 10001000);
    ck_assert_uint_eq(fake_kvm_count(KVM_KVMCLOCK_CTRL), 2);
    ck_assert_uint_eq(set_count, 0);
}
END_TEST

START_TEST(guest_without_kvmclock_is_resumed_all_the_same)
{
    struct arch_time time;

    fake_kvm_fail(KVM_KVMCLOCK_CTRL, 0, EINVAL);
    ck_assert_int_eq(arch_time_stop(&env, &time), 0);
    ck_assert_int_eq(arch_time_resume(&env, &time), 0);
}
END_TEST

/* Without the host's TSC beside the clock it is read here: both looks must be alike. */
START_TEST(tsc_of_our_own_is_taken_where_kvm_gives_none)
{
    struct arch_time time;

    host.flags = 0;
    host.host_tsc = 1; /* not to be looked at */
    ck_assert_int_eq(arch_time_stop(&env, &time), 0);
    ck_assert_uint_ne(time.host_counter, 1);
    ck_assert_int_eq(arch_time_resume(&env, &time), 0);
    uint64_t back = (uint64_t)-30000000 - host.offset[0];
    ck_assert_uint_gt(back, 0);
    ck_assert_uint_lt(back, UINT64_C(1) << 50);
}
END_TEST

/* Before Linux 5.16: far away, back, then the other one. */
START_TEST(tsc_is_set_where_its_offset_cannot_be)
{
    struct arch_time time;

    fake_kvm_fail(KVM_GET_DEVICE_ATTR, 0, ENXIO);
    ck_assert_int_eq(arch_time_stop(&env, &time), 0);
    ck_assert_int_eq(arch_time_resume(&env, &time), 0);
    ck_assert_uint_eq(set_count, 3);
    ck_assert_uint_eq(tscs[0], 123456789 + 200000000000); /* 100 s */
    ck_assert_uint_eq(tscs[1], 123456789);
    ck_assert_uint_eq(tscs[2], 123456789);
}
END_TEST

static const unsigned long needed_to_stop[] = {KVM_GET_CLOCK, KVM_GET_MSRS};
static const unsigned long needed_to_resume[] = {KVM_SET_CLOCK, KVM_GET_CLOCK, KVM_SET_DEVICE_ATTR};

START_TEST(stop_that_fails_is_one_line)
{
    struct arch_time time;

    fake_kvm_fail(needed_to_stop[_i], 0, EIO);
    capture_start(&capture);
    int r = arch_time_stop(&env, &time);
    const char *text = capture_end(&capture);
    ck_assert_int_eq(r, -EIO);
    ck_assert_one_error(text, "");
}
END_TEST

START_TEST(resume_that_fails_is_one_line)
{
    struct arch_time time;

    ck_assert_int_eq(arch_time_stop(&env, &time), 0);
    fake_kvm_fail(needed_to_resume[_i], 0, EIO);
    capture_start(&capture);
    int r = arch_time_resume(&env, &time);
    const char *text = capture_end(&capture);
    ck_assert_int_eq(r, -EIO);
    ck_assert_one_error(text, "");
}
END_TEST

/* It says what it would of an offset that cannot be had. */
START_TEST(clock_that_is_refused_is_no_missing_offset)
{
    struct arch_time time;

    ck_assert_int_eq(arch_time_stop(&env, &time), 0);
    fake_kvm_fail(KVM_SET_CLOCK, 0, EINVAL);
    capture_start(&capture);
    int r = arch_time_resume(&env, &time);
    const char *text = capture_end(&capture);
    ck_assert_int_eq(r, -EINVAL);
    ck_assert_one_error(text, "");
}
END_TEST

Suite *x86_64_time_suite(void);
Suite *x86_64_time_suite(void)
{
    Suite *suite = suite_create("x86_64_time");
    TCase *tc = tcase_create("pause");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, clock_and_tsc_stand_still_over_a_pause);
    tcase_add_test(tc, guest_without_kvmclock_is_resumed_all_the_same);
    tcase_add_test(tc, tsc_of_our_own_is_taken_where_kvm_gives_none);
    tcase_add_test(tc, tsc_is_set_where_its_offset_cannot_be);
    tcase_add_loop_test(tc, stop_that_fails_is_one_line, 0, ARRAY_SIZE(needed_to_stop));
    tcase_add_loop_test(tc, resume_that_fails_is_one_line, 0, ARRAY_SIZE(needed_to_resume));
    tcase_add_test(tc, clock_that_is_refused_is_no_missing_offset);
    suite_add_tcase(suite, tc);
    return suite;
}

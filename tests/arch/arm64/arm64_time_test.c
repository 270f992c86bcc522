/* SPDX-License-Identifier: BSD-3-Clause */
/* The guest's counter over a pause. */
#include "arch/arch.h"
#include "tests/capture.h"
#include "tests/fake_kvm.h"
#include "vmm/vcpu.h"

#include <check.h>

static struct kvm kvm;
static struct vcpu_env env;
static struct capture capture;
static uint64_t counter;

static uint64_t *counter_of(const struct fake_call *call)
{
    const struct kvm_one_reg *reg = call->arg;

    ck_assert_uint_eq(call->index, 0); /* one write moves the whole VM */
    ck_assert_uint_eq(reg->id, 0x603000000013df1a);
    return (uint64_t *)(uintptr_t)reg->addr;
}

static int counter_get(const struct fake_call *call)
{
    *counter_of(call) = counter;
    return 0;
}

static int counter_set(const struct fake_call *call)
{
    counter = *counter_of(call);
    return 0;
}

static void setup(void)
{
    fake_kvm_start();
    ck_assert_int_eq(kvm_open(&kvm), 0);
    ck_assert_int_eq(kvm_create_vm(&kvm, 0), 0);
    env = (struct vcpu_env){.kvm = &kvm};
    ck_assert_int_eq(vcpus_create(&env, 2), 0);
    fake_kvm_answer(KVM_GET_ONE_REG, counter_get);
    fake_kvm_answer(KVM_SET_ONE_REG, counter_set);
    counter = 1000000;
}

static void teardown(void)
{
    vcpus_destroy(&env);
    kvm_close(&kvm);
    fake_kvm_stop();
}

START_TEST(counter_stands_still_over_a_pause)
{
    struct arch_time time;

    ck_assert_int_eq(arch_time_stop(&env, &time), 0);
    counter += 625000000; /* ten seconds of 62.5 MHz */
    ck_assert_int_eq(arch_time_resume(&env, &time), 0);
    ck_assert_uint_eq(counter, 1000000);
    ck_assert_uint_eq(fake_kvm_count(KVM_SET_ONE_REG), 1);
}
END_TEST

START_TEST(counter_that_cannot_be_had_is_one_line)
{
    struct arch_time time = {0};

    fake_kvm_fail(_i == 0 ? KVM_GET_ONE_REG : KVM_SET_ONE_REG, 0, EIO);
    capture_start(&capture);
    int r = _i == 0 ? arch_time_stop(&env, &time) : arch_time_resume(&env, &time);
    const char *text = capture_end(&capture);
    ck_assert_int_eq(r, -EIO);
    ck_assert_one_error(text, "");
}
END_TEST

Suite *arm64_time_suite(void);
Suite *arm64_time_suite(void)
{
    Suite *suite = suite_create("arm64_time");
    TCase *tc = tcase_create("pause");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, counter_stands_still_over_a_pause);
    tcase_add_loop_test(tc, counter_that_cannot_be_had_is_one_line, 0, 2);
    suite_add_tcase(suite, tc);
    return suite;
}

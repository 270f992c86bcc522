/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * CPUID of real parts as KVM offers it, and what a guest of ours gets: the part, with a topology
 * and an identity of our own.
 */
#include "arch/x86_64/cpuid.h"

#include "tests/alloc_fail.h"
#include "tests/arch/kvm_fixture.h"

#include <string.h>

struct leaf {
    uint32_t function, index, eax, ebx, ecx, edx;
};

/* Core i7-6700K under a kernel that still hands on the host's topology (before Linux 6.2). */
static const struct leaf skylake[] = {
    {0x0, 0, 0x16, 0x756e6547, 0x6c65746e, 0x49656e69},
    {0x1, 0, 0x506e3, 0x02100800, 0xf6fa3203, 0x0f8bfbff},
    {0x4, 0, 0x1c004121, 0x01c0003f, 0x3f, 0},
    {0x4, 1, 0x1c004122, 0x01c0003f, 0x3f, 0},
    {0x4, 2, 0x1c004143, 0x00c0003f, 0x3ff, 0},
    {0x4, 3, 0x1c03c163, 0x03c0003f, 0x1fff, 6},
    {0x4, 4, 0, 0, 0, 0},
    {0x6, 0, 0x4, 0, 0x8, 0},
    {0x7, 0, 0, 0x009c4fbb, 0x4, 0xac000400},
    {0xb, 0, 1, 2, 0x100, 2},
    {0xb, 1, 4, 8, 0x201, 2},
    {0xb, 2, 0, 0, 2, 2},
    {0x15, 0, 2, 0x14e, 0, 0},
    {0x40000000, 0, 0x40000001, 0x4b4d564b, 0x564b4d56, 0x4d},
    {0x80000000, 0, 0x80000008, 0, 0, 0},
    {0x80000008, 0, 0x3027, 0, 0, 0},
};

/* EPYC 7763 under a newer one, which hides the host's topology. */
static const struct leaf milan[] = {
    {0x0, 0, 0x10, 0x68747541, 0x444d4163, 0x69746e65},
    {0x1, 0, 0xa00f11, 0x03800800, 0x76fa3203, 0x078bfbff},
    {0x7, 0, 0, 0x219c97a9, 0x40069c, 0x10},
    {0xb, 0, 0, 0, 0, 0},
    {0x40000000, 0, 0x40000001, 0x4b4d564b, 0x564b4d56, 0x4d},
    {0x80000000, 0, 0x80000021, 0x68747541, 0x444d4163, 0x69746e65},
    {0x80000008, 0, 0x3030, 0x111ed205, 0, 0},
    {0x8000001d, 0, 0x4121, 0x01c0003f, 0x3f, 0},
    {0x8000001d, 1, 0x4122, 0x01c0003f, 0x3f, 0},
    {0x8000001d, 2, 0x4143, 0x01c0003f, 0x3ff, 2},
    {0x8000001d, 3, 0x3c163, 0x03c0003f, 0x7fff, 1},
    {0x8000001d, 4, 0, 0, 0, 0},
    {0x8000001e, 0, 0, 0, 0, 0},
};

static const struct leaf *part;
static unsigned part_count;
static struct leaf got[64];
static unsigned got_count;

static int supported(const struct fake_call *call)
{
    struct kvm_cpuid2 *cpuid = call->arg;

    assert(cpuid->nent >= part_count);
    cpuid->nent = part_count;
    for (unsigned i = 0; i < part_count; i++)
        cpuid->entries[i] = (struct kvm_cpuid_entry2){
            .function = part[i].function,
            .index = part[i].index,
            .flags =
                part[i].function == 4 || part[i].function == 0xb || part[i].function == 0x8000001d,
            .eax = part[i].eax,
            .ebx = part[i].ebx,
            .ecx = part[i].ecx,
            .edx = part[i].edx,
        };
    return 0;
}

static int given(const struct fake_call *call)
{
    const struct kvm_cpuid2 *cpuid = call->arg;

    assert(cpuid->nent <= ARRAY_SIZE(got));
    got_count = cpuid->nent;
    for (unsigned i = 0; i < got_count; i++) {
        const struct kvm_cpuid_entry2 *e = &cpuid->entries[i];
        got[i] = (struct leaf){e->function, e->index, e->eax, e->ebx, e->ecx, e->edx};
    }
    return 0;
}

static void setup(void)
{
    kvm_fixture_setup();
    part = skylake;
    part_count = ARRAY_SIZE(skylake);
    fake_kvm_answer(KVM_GET_SUPPORTED_CPUID, supported);
    fake_kvm_answer(KVM_SET_CPUID2, given);
}

static void use(const struct leaf *leaves, size_t count, unsigned index, unsigned cpu_count)
{
    part = leaves;
    part_count = (unsigned)count;
    ck_assert_int_eq(cpuid_set(&kvm, kvm.vm_fd, index, cpu_count), 0);
}

/* A guest finds `want` there. */
static void leaf_is(struct leaf want)
{
    for (unsigned i = 0; i < got_count; i++) {
        if (got[i].function != want.function || got[i].index != want.index)
            continue;
        ck_assert_msg(memcmp(&got[i], &want, sizeof(want)) == 0, "%x.%u: %08x %08x %08x %08x",
                      want.function, want.index, got[i].eax, got[i].ebx, got[i].ecx, got[i].edx);
        return;
    }
    ck_abort_msg("no leaf %x.%u", want.function, want.index);
}

START_TEST(intel_part_becomes_one_cpu)
{
    use(skylake, ARRAY_SIZE(skylake), 0, 1);
    ck_assert_uint_eq(got_count, ARRAY_SIZE(skylake));
    leaf_is((struct leaf){0x1, 0, 0x506e3, 0x00010800, 0xf6fa3203, 0x0f8bfbff & ~(1u << 28)});
    leaf_is((struct leaf){0x4, 0, 0x00000121, 0x01c0003f, 0x3f, 0});
    leaf_is((struct leaf){0x4, 3, 0x00000163, 0x03c0003f, 0x1fff, 6});
    leaf_is((struct leaf){0x6, 0, 0x4, 0, 0, 0}); /* no energy-performance bias */
    leaf_is((struct leaf){0xb, 0, 0, 1, 0x100, 0});
    leaf_is((struct leaf){0xb, 1, 0, 1, 0x201, 0});
    leaf_is((struct leaf){0xb, 2, 0, 0, 2, 0});
}
END_TEST

START_TEST(intel_part_becomes_six_cpus)
{
    use(skylake, ARRAY_SIZE(skylake), 5, 6);
    leaf_is((struct leaf){0x1, 0, 0x506e3, 0x05060800, 0xf6fa3203, 0x1f8bfbff});
    leaf_is((struct leaf){0x4, 0, 0x1c000121, 0x01c0003f, 0x3f, 0}); /* a core's own */
    leaf_is((struct leaf){0x4, 2, 0x1c000143, 0x00c0003f, 0x3ff, 0});
    leaf_is((struct leaf){0x4, 3, 0x1c01c163, 0x03c0003f, 0x1fff, 6}); /* all eight ids' */
    leaf_is((struct leaf){0x4, 4, 0, 0, 0, 0});
    leaf_is((struct leaf){0xb, 0, 0, 1, 0x100, 5});
    leaf_is((struct leaf){0xb, 1, 3, 6, 0x201, 5});
}
END_TEST

START_TEST(what_is_the_parts_own_is_left_alone)
{
    use(skylake, ARRAY_SIZE(skylake), 5, 6);
    leaf_is(skylake[0]);
    leaf_is(skylake[8]);
    leaf_is(skylake[12]);
    leaf_is(skylake[13]);
    leaf_is(skylake[15]); /* the number of cores there is AMD's */
    use(milan, ARRAY_SIZE(milan), 5, 6);
    leaf_is(milan[0]);
    leaf_is(milan[2]);
    leaf_is(milan[5]);
}
END_TEST

START_TEST(amd_part_becomes_one_cpu)
{
    use(milan, ARRAY_SIZE(milan), 0, 1);
    leaf_is((struct leaf){0x1, 0, 0xa00f11, 0x00010800, 0xf6fa3203, 0x078bfbff});
    leaf_is((struct leaf){0x80000008, 0, 0x3030, 0x111ed205, 0, 0});
    leaf_is((struct leaf){0x8000001d, 3, 0x163, 0x03c0003f, 0x7fff, 1});
    leaf_is((struct leaf){0x8000001e, 0, 0, 0, 0, 0});
}
END_TEST

START_TEST(amd_part_becomes_four_cpus)
{
    use(milan, ARRAY_SIZE(milan), 3, 4);
    leaf_is((struct leaf){0x1, 0, 0xa00f11, 0x03040800, 0xf6fa3203, 0x178bfbff});
    leaf_is((struct leaf){0x80000008, 0, 0x3030, 0x111ed205, 0x2003, 0});
    leaf_is((struct leaf){0x8000001d, 0, 0x121, 0x01c0003f, 0x3f, 0});
    leaf_is((struct leaf){0x8000001d, 3, 0xc163, 0x03c0003f, 0x7fff, 1});
    leaf_is((struct leaf){0x8000001e, 0, 3, 3, 0, 0});
}
END_TEST

START_TEST(topology_that_kvm_hides_is_written)
{
    use(milan, ARRAY_SIZE(milan), 3, 4);
    ck_assert_uint_eq(got_count, ARRAY_SIZE(milan) + 2);
    leaf_is((struct leaf){0xb, 0, 0, 1, 0x100, 3});
    leaf_is((struct leaf){0xb, 1, 2, 4, 0x201, 3});
    leaf_is((struct leaf){0xb, 2, 0, 0, 2, 3});
}
END_TEST

/* Before Linux 6.1 it was told by the capability alone. */
START_TEST(deadline_timer_that_only_the_capability_tells_is_offered)
{
    static const struct leaf old[] = {{0x0, 0, 1, 0x756e6547, 0, 0}, {0x1, 0, 0, 0, 0, 0}};

    use(old, ARRAY_SIZE(old), 0, 1);
    leaf_is((struct leaf){0x1, 0, 0, 0x10000, 0x80000000, 0});
    fake_kvm_cap(KVM_CAP_TSC_DEADLINE_TIMER, 1);
    use(old, ARRAY_SIZE(old), 0, 1);
    leaf_is((struct leaf){0x1, 0, 0, 0x10000, 0x81000000, 0});
}
END_TEST

START_TEST(each_failure_is_told)
{
    static const unsigned long requests[] = {KVM_GET_SUPPORTED_CPUID, KVM_SET_CPUID2};

    fake_kvm_fail(requests[_i], 0, E2BIG);
    capture_start(&capture);
    int r = cpuid_set(&kvm, kvm.vm_fd, 0, 1);
    capture_end(&capture);
    ck_assert_int_eq(r, -E2BIG);
    ck_assert_one_error(capture.text, "");
}
END_TEST

START_TEST(lack_of_memory_is_told)
{
    capture_start(&capture);
    alloc_fail_after(0);
    int r = cpuid_set(&kvm, kvm.vm_fd, 0, 1);
    alloc_fail_stop();
    capture_end(&capture);
    ck_assert_int_eq(r, -ENOMEM);
    ck_assert_one_error(capture.text, "");
}
END_TEST

Suite *cpuid_suite(void);
Suite *cpuid_suite(void)
{
    Suite *suite = suite_create("cpuid");
    TCase *tcase = tcase_create("cpuid");

    tcase_add_checked_fixture(tcase, setup, kvm_fixture_teardown);
    tcase_add_test(tcase, intel_part_becomes_one_cpu);
    tcase_add_test(tcase, intel_part_becomes_six_cpus);
    tcase_add_test(tcase, what_is_the_parts_own_is_left_alone);
    tcase_add_test(tcase, amd_part_becomes_one_cpu);
    tcase_add_test(tcase, amd_part_becomes_four_cpus);
    tcase_add_test(tcase, topology_that_kvm_hides_is_written);
    tcase_add_test(tcase, deadline_timer_that_only_the_capability_tells_is_offered);
    tcase_add_loop_test(tcase, each_failure_is_told, 0, 2);
    tcase_add_test(tcase, lack_of_memory_is_told);
    suite_add_tcase(suite, tcase);
    return suite;
}

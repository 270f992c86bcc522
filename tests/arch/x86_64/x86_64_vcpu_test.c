/* SPDX-License-Identifier: BSD-3-Clause */
/* First registers of x86 vCPUs, port I/O, and what is said of one that crashed. */
#include "vmm/vcpu.h"

#include "tests/arch/kvm_fixture.h"

#include <string.h>

static struct memory mem;
static struct bus pio, mmio;
static struct vcpu_env env;
static struct vcpu *vcpu, *second;

static struct kvm_regs regs;
static struct kvm_sregs sregs;
static struct kvm_msr_entry msrs[4];
static unsigned msr_count;
static int msrs_taken; /* what KVM_SET_MSRS says */

static int regs_noted(const struct fake_call *call)
{
    memcpy(&regs, call->arg, sizeof(regs));
    return 0;
}

static int sregs_noted(const struct fake_call *call)
{
    memcpy(&sregs, call->arg, sizeof(sregs));
    return 0;
}

static int msrs_noted(const struct fake_call *call)
{
    const struct kvm_msrs *set = call->arg;

    assert(set->nmsrs == 1 && msr_count < ARRAY_SIZE(msrs));
    memcpy(&msrs[msr_count++], (const uint8_t *)call->arg + sizeof(*set), sizeof(msrs[0]));
    return msrs_taken;
}

static void setup(void)
{
    kvm_fixture_setup();
    bus_init(&pio);
    bus_init(&mmio);
    ck_assert_int_eq(memory_create(&mem, 1 << 20, &(struct memory_layout){0, 1 << 30, 1 << 30},
                                   MEMORY_PAGES_OFF),
                     0);
    fake_kvm_answer(KVM_SET_REGS, regs_noted);
    fake_kvm_answer(KVM_SET_SREGS, sregs_noted);
    fake_kvm_answer(KVM_SET_MSRS, msrs_noted);
    msr_count = 0;
    msrs_taken = 1;
    env = (struct vcpu_env){.kvm = &kvm, .mem = &mem, .mmio = &mmio, .pio = &pio};
    ck_assert_int_eq(vcpus_create(&env, 2), 0);
    vcpu = &env.vcpu[0];
    second = &env.vcpu[1];
}

static void teardown(void)
{
    vcpus_destroy(&env);
    bus_fini(&pio);
    bus_fini(&mmio);
    memory_destroy(&mem);
    kvm_fixture_teardown();
}

/* boot.rst, "64-bit boot protocol". */
START_TEST(linux_starts_in_long_mode)
{
    const struct arch_entry entry = {.kind = ENTRY_LINUX64, .pc = 0x1000200, .arg = 0x7000};

    ck_assert_int_eq(arch_vcpu_init(vcpu, 1, &entry), 0);
    ck_assert_uint_eq(regs.rip, 0x1000200);
    ck_assert_uint_eq(regs.rsi, 0x7000);
    ck_assert_uint_eq(regs.rflags, 2); /* interrupts off */
    ck_assert_uint_eq(sregs.cr0, 0x80000031);
    ck_assert_uint_eq(sregs.cr3, 0x9000);
    ck_assert_uint_eq(sregs.cr4, 0x20);
    ck_assert_uint_eq(sregs.efer, 0x500);
    ck_assert_uint_eq(sregs.cs.selector, 0x10);
    ck_assert_uint_eq(sregs.cs.l, 1);
    ck_assert_uint_eq(sregs.cs.db, 0);
    ck_assert_uint_eq(sregs.ds.selector, 0x18);
    ck_assert_uint_eq(sregs.ss.limit, 0xffffffff);
    ck_assert_uint_eq(sregs.gdt.base, 0x5000);
}
END_TEST

/* xen's pvh.h: 32 bits, paging off. */
START_TEST(pvh_starts_in_protected_mode)
{
    const struct arch_entry entry = {.kind = ENTRY_PVH32, .pc = 0x1000a30, .arg = 0x6000};

    ck_assert_int_eq(arch_vcpu_init(vcpu, 1, &entry), 0);
    ck_assert_uint_eq(regs.rip, 0x1000a30);
    ck_assert_uint_eq(regs.rbx, 0x6000);
    ck_assert_uint_eq(regs.rsi, 0);
    ck_assert_uint_eq(sregs.cr0, 0x31);
    ck_assert_uint_eq(sregs.cr4, 0);
    ck_assert_uint_eq(sregs.efer, 0);
    ck_assert_uint_eq(sregs.cs.db, 1);
    ck_assert_uint_eq(sregs.cs.l, 0);
}
END_TEST

START_TEST(other_vcpus_wait_with_their_own_identity)
{
    const struct arch_entry entry = {.kind = ENTRY_LINUX64, .pc = 0x1000200};
    ck_assert_int_eq(arch_vcpu_init(second, 2, &entry), 0);
    ck_assert_uint_eq(fake_kvm_count(KVM_SET_REGS), 0);
    ck_assert_uint_eq(fake_kvm_count(KVM_SET_SREGS), 0);
    ck_assert_uint_eq(fake_kvm_count(KVM_SET_CPUID2), 1);
}
END_TEST

/* All memory write-back; the fixed ranges, all of which are zero, stay off: they would make the low
 * MiB uncached. */
START_TEST(memory_types_are_as_firmware_leaves_them)
{
    const struct arch_entry entry = {.kind = ENTRY_LINUX64};

    ck_assert_int_eq(arch_vcpu_init(vcpu, 1, &entry), 0);
    ck_assert_uint_eq(msr_count, 2);
    ck_assert_uint_eq(msrs[0].index, 0x1a0);
    ck_assert_uint_eq(msrs[0].data, 1);
    ck_assert_uint_eq(msrs[1].index, 0x2ff);
    ck_assert_uint_eq(msrs[1].data, 0x806);
}
END_TEST

START_TEST(msr_that_the_host_does_not_know_is_no_matter)
{
    const struct arch_entry entry = {.kind = ENTRY_LINUX64};

    msrs_taken = 0;
    ck_assert_int_eq(arch_vcpu_init(vcpu, 1, &entry), 0);
    ck_assert_uint_eq(msr_count, 2);
}
END_TEST

static const unsigned long needed[] = {KVM_GET_SUPPORTED_CPUID, KVM_SET_CPUID2, KVM_GET_SREGS,
                                       KVM_SET_SREGS, KVM_SET_REGS};

START_TEST(each_ioctl_that_fails_is_told)
{
    const struct arch_entry entry = {.kind = ENTRY_LINUX64};

    fake_kvm_fail(needed[_i], 0, EIO);
    capture_start(&capture);
    int r = arch_vcpu_init(vcpu, 1, &entry);
    capture_end(&capture);
    ck_assert_int_eq(r, -EIO);
    ck_assert_one_error(capture.text, "");
}
END_TEST

/* -- port I/O -- */

static uint8_t port_written[16];
static size_t port_count;

static void port_read(void *ctx, uint64_t off, void *ret_buf, size_t len)
{
    (void)ctx;
    memset(ret_buf, 0x40 + (int)off, len);
}

static void port_write(void *ctx, uint64_t off, const void *buf, size_t len)
{
    (void)ctx;
    (void)off;
    memcpy(port_written + port_count, buf, len);
    port_count += len;
}

static const struct bus_ops port_ops = {port_read, port_write};

static void run_to_exit(const struct fake_exit *exit)
{
    fake_kvm_script(0, exit, 1);
    ck_assert_int_eq(vcpu_run_once(vcpu), 0);
    ck_assert(arch_vcpu_exit(vcpu));
    vcpu->run->immediate_exit = 1;
    ck_assert_int_eq(vcpu_run_once(vcpu), -EINTR); /* completes it */
}

START_TEST(port_is_read_and_written)
{
    const struct fake_exit in = {.reason = KVM_EXIT_IO, .size = 2, .addr = 0x101};
    const struct fake_exit out = {
        .reason = KVM_EXIT_IO, .write = true, .size = 4, .addr = 0x100, .data = 0x44332211};

    port_count = 0;
    ck_assert_int_eq(bus_add(&pio, 0x100, 8, &port_ops, NULL), 0);
    run_to_exit(&in);
    ck_assert_uint_eq(fake_kvm_guest_data(0, 0), 0x4141);
    vcpu->run->immediate_exit = 0;
    run_to_exit(&out);
    ck_assert_uint_eq(port_count, 4);
    ck_assert_mem_eq(port_written, "\x11\x22\x33\x44", 4);
}
END_TEST

START_TEST(string_instruction_is_so_many_accesses)
{
    const struct fake_exit out = {
        .reason = KVM_EXIT_IO, .write = true, .size = 1, .count = 5, .addr = 0x100, .data = 0x61};

    port_count = 0;
    ck_assert_int_eq(bus_add(&pio, 0x100, 8, &port_ops, NULL), 0);
    run_to_exit(&out);
    ck_assert_uint_eq(port_count, 5);
    ck_assert_mem_eq(port_written, "aaaaa", 5);
}
END_TEST

START_TEST(port_that_is_not_there_reads_all_ones)
{
    const struct fake_exit in = {.reason = KVM_EXIT_IO, .size = 4, .addr = 0xcfc};

    run_to_exit(&in);
    ck_assert_uint_eq(fake_kvm_guest_data(0, 0), 0xffffffff);
}
END_TEST

START_TEST(other_exits_are_not_its_own)
{
    vcpu->run->exit_reason = KVM_EXIT_HLT;
    ck_assert(!arch_vcpu_exit(vcpu));
}
END_TEST

/* -- a crash -- */

static int regs_of_a_crash(const struct fake_call *call)
{
    struct kvm_regs crash = {.rip = 0x1234, .rax = 0xfeed, .r15 = 0xbeef};

    memcpy(call->arg, &crash, sizeof(crash));
    return 0;
}

static uint64_t code_at;

static int translated(const struct fake_call *call)
{
    struct kvm_translation *translation = call->arg;

    translation->valid = code_at != 0;
    translation->physical_address = code_at;
    return 0;
}

static const struct {
    uint64_t code_at;
    const char *word;
} codes[] = {
    {0x2000, "code: f4 90 00 00"},
    {0xffffe, "code: 00 00\n"}, /* RAM ends */
    {0x100000, "code: outside guest RAM"},
    {0, "code: address 0x1234 is not mapped"},
};

START_TEST(dump_has_registers_and_code)
{
    ck_assert_int_eq(memory_write(&mem, 0x2000, "\xf4\x90", 2), 0);
    fake_kvm_answer(KVM_GET_REGS, regs_of_a_crash);
    fake_kvm_answer(KVM_TRANSLATE, translated);
    code_at = codes[_i].code_at;
    capture_start(&capture);
    arch_vcpu_dump(vcpu);
    capture_end(&capture);
    ck_assert_ptr_nonnull(strstr(capture.text, "rip=0000000000001234"));
    ck_assert_ptr_nonnull(strstr(capture.text, "rax=000000000000feed"));
    ck_assert_ptr_nonnull(strstr(capture.text, "r15=000000000000beef"));
    ck_assert_ptr_nonnull(strstr(capture.text, codes[_i].word));
}
END_TEST

Suite *x86_64_vcpu_suite(void);
Suite *x86_64_vcpu_suite(void)
{
    Suite *suite = suite_create("x86_64_vcpu");
    TCase *tcase = tcase_create("vcpu");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, linux_starts_in_long_mode);
    tcase_add_test(tcase, pvh_starts_in_protected_mode);
    tcase_add_test(tcase, other_vcpus_wait_with_their_own_identity);
    tcase_add_test(tcase, memory_types_are_as_firmware_leaves_them);
    tcase_add_test(tcase, msr_that_the_host_does_not_know_is_no_matter);
    tcase_add_loop_test(tcase, each_ioctl_that_fails_is_told, 0, ARRAY_SIZE(needed));
    tcase_add_test(tcase, port_is_read_and_written);
    tcase_add_test(tcase, string_instruction_is_so_many_accesses);
    tcase_add_test(tcase, port_that_is_not_there_reads_all_ones);
    tcase_add_test(tcase, other_exits_are_not_its_own);
    tcase_add_loop_test(tcase, dump_has_registers_and_code, 0, ARRAY_SIZE(codes));
    suite_add_tcase(suite, tcase);
    return suite;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* KVM's ioctls as functions: what they ask for, and one line for each that fails. */
#include "vmm/kvm.h"

#include "tests/capture.h"
#include "tests/fake_kvm.h"

#include <check.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

static struct kvm kvm;
static struct capture capture;

static void setup(void)
{
    fake_kvm_start();
}

static void setup_vm(void)
{
    fake_kvm_start();
    ck_assert_int_eq(kvm_open(&kvm), 0);
    ck_assert_int_eq(kvm_create_vm(&kvm, 0), 0);
}

static void teardown(void)
{
    kvm_close(&kvm);
    fake_kvm_stop();
}

/* The call failed with r after one line, in which `word` is. */
static void assert_told(int r, int want, const char *word)
{
    const char *text = capture_end(&capture);

    ck_assert_int_eq(r, want);
    ck_assert_one_error(text, word);
}

static const struct {
    int error;
    const char *word;
} open_failures[] = {
    {ENOENT, "is missing"},      {ENODEV, "is missing"},     {ENXIO, "is missing"},
    {EACCES, "usermod -aG kvm"}, {EPERM, "usermod -aG kvm"}, {EMFILE, "open /dev/kvm"},
};

START_TEST(open_that_fails_names_the_remedy)
{
    fake_kvm_fail(FAKE_KVM_OPEN, 0, open_failures[_i].error);
    capture_start(&capture);
    int r = kvm_open(&kvm);
    assert_told(r, -open_failures[_i].error, open_failures[_i].word);
    ck_assert_int_eq(kvm.fd, -1);
}
END_TEST

static int eleven(const struct fake_call *call)
{
    (void)call;
    return 11;
}

START_TEST(another_api_is_refused)
{
    fake_kvm_answer(KVM_GET_API_VERSION, eleven);
    capture_start(&capture);
    int r = kvm_open(&kvm);
    assert_told(r, -ENOTSUP, "API 12");
}
END_TEST

START_TEST(what_is_no_kvm_is_refused)
{
    fake_kvm_fail(KVM_GET_API_VERSION, 0, ENOTTY);
    capture_start(&capture);
    int r = kvm_open(&kvm);
    assert_told(r, -ENOTTY, "API 12");
}
END_TEST

START_TEST(run_page_smaller_than_its_struct_is_refused)
{
    fake_kvm_answer(KVM_GET_VCPU_MMAP_SIZE, eleven);
    capture_start(&capture);
    int r = kvm_open(&kvm);
    assert_told(r, -EINVAL, "KVM_GET_VCPU_MMAP_SIZE");
}
END_TEST

START_TEST(run_page_without_size_is_refused)
{
    fake_kvm_fail(KVM_GET_VCPU_MMAP_SIZE, 0, ENOTTY);
    capture_start(&capture);
    int r = kvm_open(&kvm);
    assert_told(r, -ENOTTY, "KVM_GET_VCPU_MMAP_SIZE");
}
END_TEST

static unsigned interrupted;

static int interrupted_twice(const struct fake_call *call)
{
    if (interrupted++ < 2)
        return -EINTR;
    fake_kvm_answer(call->request, NULL);
    return -EAGAIN;
}

START_TEST(vm_is_asked_for_again_after_a_signal)
{
    ck_assert_int_eq(kvm_open(&kvm), 0);
    fake_kvm_answer(KVM_CREATE_VM, interrupted_twice);
    capture_start(&capture);
    int r = kvm_create_vm(&kvm, 40);
    assert_told(r, -EAGAIN, "KVM_CREATE_VM");
    ck_assert_uint_eq(fake_kvm_count(KVM_CREATE_VM), 3);
    ck_assert_uint_eq(fake_kvm_call(fake_kvm_calls() - 1)->number, 40);
}
END_TEST

START_TEST(capability_is_the_vms_once_there_is_one)
{
    fake_kvm_cap(KVM_CAP_MAX_VCPUS, 7);
    ck_assert_int_eq(kvm_open(&kvm), 0);
    ck_assert_int_eq(kvm_cap(&kvm, KVM_CAP_MAX_VCPUS), 7);
    ck_assert_int_eq(fake_kvm_call(fake_kvm_calls() - 1)->on, FAKE_KVM);
    ck_assert_int_eq(kvm_create_vm(&kvm, 0), 0);
    ck_assert_int_eq(kvm_cap(&kvm, KVM_CAP_MAX_VCPUS), 7);
    ck_assert_int_eq(fake_kvm_call(fake_kvm_calls() - 1)->on, FAKE_VM);
    fake_kvm_fail(KVM_CHECK_EXTENSION, 0, EINVAL);
    ck_assert_int_eq(kvm_cap(&kvm, KVM_CAP_MAX_VCPUS), 0);
}
END_TEST

static struct kvm_userspace_memory_region slots[4];
static unsigned slot_count;

static int slot_noted(const struct fake_call *call)
{
    slots[slot_count++] = *(const struct kvm_userspace_memory_region *)call->arg;
    return 0;
}

START_TEST(each_region_of_ram_is_a_slot)
{
    struct memory mem;

    ck_assert_int_eq(memory_create(&mem, 3 << 20, &(struct memory_layout){0, 1 << 20, 4 << 20},
                                   MEMORY_PAGES_AUTO),
                     0);
    fake_kvm_answer(KVM_SET_USER_MEMORY_REGION, slot_noted);
    ck_assert_int_eq(kvm_add_memory(&kvm, &mem), 0);
    ck_assert_uint_eq(slot_count, 2);
    ck_assert_uint_eq(slots[0].slot, 0);
    ck_assert_uint_eq(slots[0].guest_phys_addr, 0);
    ck_assert_uint_eq(slots[0].memory_size, 1 << 20);
    ck_assert_uint_eq(slots[1].slot, 1);
    ck_assert_uint_eq(slots[1].guest_phys_addr, 4 << 20);
    ck_assert_uint_eq(slots[1].memory_size, 2 << 20);
    ck_assert_uint_eq(slots[1].userspace_addr, (uintptr_t)memory_at(&mem, 4 << 20, 2 << 20));
    fake_kvm_fail(KVM_SET_USER_MEMORY_REGION, 1, EEXIST);
    capture_start(&capture);
    int r = kvm_add_memory(&kvm, &mem);
    assert_told(r, -EEXIST, "2 MiB");
    memory_destroy(&mem);
}
END_TEST

START_TEST(window_can_only_be_read)
{
    static const uint8_t window[4096];

    slot_count = 0;
    fake_kvm_answer(KVM_SET_USER_MEMORY_REGION, slot_noted);
    ck_assert_int_eq(kvm_add_window(&kvm, 5, 0x140000000, window, sizeof(window)), 0);
    ck_assert_uint_eq(slots[0].slot, 7); /* behind the two of RAM */
    ck_assert_uint_eq(slots[0].flags, 2);
    ck_assert_uint_eq(slots[0].guest_phys_addr, 0x140000000);
    ck_assert_uint_eq(slots[0].memory_size, 4096);
    ck_assert_uint_eq(slots[0].userspace_addr, (uintptr_t)window);
    fake_kvm_fail(KVM_SET_USER_MEMORY_REGION, 0, EINVAL);
    capture_start(&capture);
    int r = kvm_add_window(&kvm, 0, 0x140000000, window, 4 << 20);
    assert_told(r, -EINVAL, "give 4 MiB at 0x140000000");
}
END_TEST

static struct kvm_irq_level levels[8];
static unsigned level_count;
static int level_status;

static int level_noted(const struct fake_call *call)
{
    struct kvm_irq_level *level = call->arg;

    levels[level_count++] = *level;
    level->status = level_status;
    return 0;
}

/* And repeats the edge later if KVM says that it reached no CPU. */
START_TEST(connected_interrupt_pulses_its_line)
{
    struct loop loop;
    struct irq irq;

    level_count = 0;
    ck_assert_int_eq(irq_init(&irq), 0);
    fake_kvm_answer(KVM_IRQ_LINE_STATUS, level_noted);
    ck_assert_int_eq(loop_init(&loop), 0);
    ck_assert_int_eq(kvm_irq_connect(&kvm, &irq, &loop, 0x1000021), 0);
    level_status = _i - 1;
    irq_raise(&irq);
    struct pollfd timer = {.fd = irq.fd, .events = POLLIN};
    ck_assert_int_eq(poll(&timer, 1, level_status <= 0 ? 5000 : 20), level_status <= 0);
    ck_assert_uint_eq(level_count, 3);
    ck_assert_uint_eq(levels[0].level, 0);
    ck_assert_uint_eq(levels[1].irq, 0x1000021);
    ck_assert_uint_eq(levels[1].level, 1);
    ck_assert_uint_eq(levels[2].level, 0);
    irq_fini(&irq);
    loop_fini(&loop);
}
END_TEST

START_TEST(interrupt_that_is_refused_stays_an_eventfd)
{
    struct irq irq;

    ck_assert_int_eq(irq_init(&irq), 0);
    fake_kvm_fail(KVM_IRQ_LINE_STATUS, 0, ENXIO);
    capture_start(&capture);
    int r = kvm_irq_connect(&kvm, &irq, NULL, 5);
    assert_told(r, -ENXIO, "KVM_IRQ_LINE");
    irq_raise(&irq);
    eventfd_t count = 0;
    ck_assert_int_eq(eventfd_read(irq.fd, &count), 0);
    ck_assert_uint_eq(count, 1);
    irq_fini(&irq);
}
END_TEST

static struct kvm_ioeventfd kick;

static int kick_noted(const struct fake_call *call)
{
    kick = *(const struct kvm_ioeventfd *)call->arg;
    return 0;
}

START_TEST(kick_is_four_bytes_of_one_value)
{
    fake_kvm_answer(KVM_IOEVENTFD, kick_noted);
    ck_assert_int_eq(kvm_ioeventfd(&kvm, 77, 0xd0000050, 3), 0);
    ck_assert_uint_eq(kick.addr, 0xd0000050);
    ck_assert_uint_eq(kick.len, 4);
    ck_assert_uint_eq(kick.datamatch, 3);
    ck_assert_uint_eq(kick.flags, 1); /* DATAMATCH */
    ck_assert_int_eq(kick.fd, 77);
    fake_kvm_fail(KVM_IOEVENTFD, 0, ENOSPC);
    capture_start(&capture);
    int r = kvm_ioeventfd(&kvm, 77, 0xd0000050, 3);
    assert_told(r, -ENOSPC, "0xd0000050");
}
END_TEST

Suite *kvm_suite(void);
Suite *kvm_suite(void)
{
    Suite *suite = suite_create("kvm");
    TCase *tc = tcase_create("open");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, open_that_fails_names_the_remedy, 0, ARRAY_SIZE(open_failures));
    tcase_add_test(tc, another_api_is_refused);
    tcase_add_test(tc, what_is_no_kvm_is_refused);
    tcase_add_test(tc, run_page_smaller_than_its_struct_is_refused);
    tcase_add_test(tc, run_page_without_size_is_refused);
    tcase_add_test(tc, vm_is_asked_for_again_after_a_signal);
    tcase_add_test(tc, capability_is_the_vms_once_there_is_one);
    suite_add_tcase(suite, tc);
    tc = tcase_create("vm");
    tcase_add_checked_fixture(tc, setup_vm, teardown);
    tcase_add_test(tc, each_region_of_ram_is_a_slot);
    tcase_add_test(tc, window_can_only_be_read);
    tcase_add_loop_test(tc, connected_interrupt_pulses_its_line, 0, 3);
    tcase_add_test(tc, interrupt_that_is_refused_stays_an_eventfd);
    tcase_add_test(tc, kick_is_four_bytes_of_one_value);
    suite_add_tcase(suite, tc);
    return suite;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The PCI bus: who answers at which address, while BARs move, and what KVM is told of it. */
#include "vmm/pci_bus.h"

#include "tests/fake_device.h"
#include "tests/fake_driver.h"
#include "tests/fake_kvm.h"

#include <check.h>
#include <string.h>

#define ECAM    0xe0000000
#define WINDOW  0xe1000000
#define SIZE    0x1000000
#define COMMAND 0x04
#define BAR0    0x10
#define KEPT    64 /* doorbells */

static struct kvm kvm;
static struct memory mem;
static struct bus mmio;
static struct pci_bus pci_bus;
static struct virtio_device *dev[2]; /* in slots 3 and 31 */
static struct pci pci[2];
static const unsigned slots[] = {3, 31};

/* Doorbells as KVM knows them. */
static struct kvm_ioeventfd doorbell[KEPT];
static unsigned doorbell_count;

static int doorbell_noted(const struct fake_call *call)
{
    const struct kvm_ioeventfd *asked = call->arg;

    ck_assert_uint_eq(asked->len, 0);                                            /* any width, */
    ck_assert_uint_eq(asked->flags & ~(unsigned)KVM_IOEVENTFD_FLAG_DEASSIGN, 0); /* any value */
    for (unsigned i = 0; i < doorbell_count; i++) {
        if (doorbell[i].addr != asked->addr)
            continue;
        if ((asked->flags & KVM_IOEVENTFD_FLAG_DEASSIGN) == 0)
            return -EEXIST;
        ck_assert_int_eq(doorbell[i].fd, asked->fd);
        doorbell[i] = doorbell[--doorbell_count];
        return 0;
    }
    if ((asked->flags & KVM_IOEVENTFD_FLAG_DEASSIGN) != 0)
        return -ENOENT;
    ck_assert_uint_lt(doorbell_count, KEPT);
    doorbell[doorbell_count++] = *asked;
    return 0;
}

static bool rings(gpa_t addr, int fd)
{
    for (unsigned i = 0; i < doorbell_count; i++)
        if (doorbell[i].addr == addr)
            return doorbell[i].fd == fd;
    return false;
}

static void setup(void)
{
    doorbell_count = 0;
    fake_kvm_start();
    fake_kvm_answer(KVM_IOEVENTFD, doorbell_noted);
    ck_assert_int_eq(kvm_open(&kvm), 0);
    ck_assert_int_eq(kvm_create_vm(&kvm, 0), 0);
    fake_memory(&mem, 0x100000);
    bus_init(&mmio);
    pci_bus_init(&pci_bus, &kvm, WINDOW, SIZE);
    ck_assert_int_eq(bus_add(&mmio, ECAM, PCI_ECAM_BYTES, &pci_ecam_ops, &pci_bus), 0);
    ck_assert_int_eq(bus_add(&mmio, WINDOW, SIZE, &pci_window_ops, &pci_bus), 0);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_int_eq(fake_create(&echo_class, i, &mem, NULL, &dev[i]), 0);
        ck_assert_int_eq(pci_bus_add(&pci_bus, slots[i], dev[i], &pci[i]), 0);
        ck_assert_int_eq(virtio_start(dev[i]), 0);
    }
}

static void teardown(void)
{
    bus_fini(&mmio);
    for (unsigned i = 0; i < 2; i++) {
        virtio_destroy(dev[i]);
        pci_fini(&pci[i]);
    }
    memory_destroy(&mem);
    kvm_close(&kvm);
    fake_kvm_stop();
}

static uint32_t rd(gpa_t addr, size_t len)
{
    le32 val = {0};

    (void)bus_read(&mmio, addr, &val, len);
    return from_le32(val);
}

static void wr(gpa_t addr, uint32_t val, size_t len)
{
    le32 wire = to_le32(val);

    ck_assert(bus_write(&mmio, addr, &wire, len));
}

static gpa_t config(unsigned i, unsigned reg)
{
    return ECAM + (gpa_t)slots[i] * 0x8000 + reg;
}

/* Where the window has it from the start. */
static gpa_t home(unsigned i)
{
    return WINDOW + (gpa_t)slots[i] * PCI_BAR_BYTES;
}

/* Which device answers there: its config space says so, once it is mapped. -1: nobody. */
static int who(gpa_t bar)
{
    uint32_t select = rd(bar + 8, 4);
    int found = -1;

    if (select == 0xffffffff)
        return -1;
    for (int i = 0; i < 2; i++) {
        pci[i].driver_feature_select = 7;
        if (rd(bar + 8, 4) == 7)
            found = i;
        pci[i].driver_feature_select = 0;
    }
    return found;
}

static bool has_doorbells(unsigned i, gpa_t bar)
{
    return rings(bar + 0x1000, dev[i]->queue[0].kick.fd) &&
           rings(bar + 0x1004, dev[i]->queue[1].kick.fd);
}

START_TEST(slots_and_empty_ones)
{
    for (unsigned slot = 0; slot < 32; slot++) {
        bool there = slot == 3 || slot == 31;
        ck_assert_uint_eq(rd(ECAM + slot * 0x8000, 4), there ? 0x106a1af4 : 0xffffffff);
        for (unsigned function = 1; function < 8; function++)
            ck_assert_uint_eq(rd(ECAM + slot * 0x8000 + function * 0x1000, 4), 0xffffffff);
    }
    wr(ECAM + BAR0, 0, 4);
    ck_assert_uint_eq(rd(config(0, BAR0), 4), home(0));
    ck_assert_uint_eq(rd(config(0, 0x100), 4), 0);
    ck_assert_uint_eq(rd(config(0, 0xffc), 4), 0);
}
END_TEST

START_TEST(a_bar_answers_while_memory_space_is_on)
{
    ck_assert_int_eq(who(home(0)), -1);
    wr(config(0, COMMAND), 2, 2);
    ck_assert_int_eq(who(home(0)), 0);
    ck_assert(has_doorbells(0, home(0)));
    ck_assert_uint_eq(doorbell_count, 2);
    wr(config(0, COMMAND), 0, 2);
    ck_assert_int_eq(who(home(0)), -1);
    ck_assert_uint_eq(doorbell_count, 0);
}
END_TEST

START_TEST(a_bar_moves_while_it_answers)
{
    wr(config(0, COMMAND), 2, 2);
    wr(config(1, COMMAND), 2, 2);
    wr(config(0, BAR0), WINDOW + SIZE - PCI_BAR_BYTES, 4);
    ck_assert_int_eq(who(home(0)), -1);
    ck_assert_int_eq(who(WINDOW + SIZE - PCI_BAR_BYTES), 0);
    ck_assert(has_doorbells(0, WINDOW + SIZE - PCI_BAR_BYTES));
    wr(config(1, BAR0), (uint32_t)home(0), 4); /* the place that is free now */
    ck_assert_int_eq(who(home(0)), 1);
    ck_assert_int_eq(who(home(1)), -1);
    ck_assert(has_doorbells(1, home(0)));
    ck_assert_uint_eq(doorbell_count, 4);
}
END_TEST

static const uint32_t nowhere[] = {
    WINDOW + 31 * PCI_BAR_BYTES, /* where the other one is */
    WINDOW - PCI_BAR_BYTES,      WINDOW + SIZE, 0, 0xffffc000, ECAM,
};

START_TEST(a_bar_in_no_place_answers_nowhere)
{
    wr(config(0, COMMAND), 2, 2);
    wr(config(1, COMMAND), 2, 2);
    wr(config(0, BAR0), nowhere[_i], 4);
    ck_assert_uint_eq(rd(config(0, BAR0), 4), nowhere[_i]);
    ck_assert_int_eq(who(home(0)), -1);
    ck_assert_int_eq(who(home(1)), 1);
    ck_assert_uint_eq(doorbell_count, 2);
    ck_assert(has_doorbells(1, home(1)));
    wr(config(0, BAR0), (uint32_t)home(0), 4); /* and back */
    ck_assert_int_eq(who(home(0)), 0);
}
END_TEST

START_TEST(what_is_past_a_bar_is_no_ones)
{
    wr(config(0, COMMAND), 2, 2);
    ck_assert_uint_eq(rd(home(0) + PCI_BAR_BYTES - 2, 4), 0xffffffff);
    wr(home(0) + PCI_BAR_BYTES - 2, 0, 4);
    ck_assert_uint_eq(rd(WINDOW, 4), 0xffffffff);
    wr(WINDOW, 0, 4);
}
END_TEST

/* KVM has no room for more: the kick comes as an access. */
START_TEST(without_doorbells_a_kick_is_an_access)
{
    struct fake_ring ring;
    const struct fake_piece piece = {0x80000, 4, FAKE_WRITE};
    gpa_t bar = home(0);
    uint32_t id, len;

    fake_kvm_answer(KVM_IOEVENTFD, NULL);
    fake_kvm_fail(KVM_IOEVENTFD, 0, ENOSPC);
    wr(config(0, COMMAND), 6, 2);
    fake_ring_init(&ring, &mem, 8, 0x10000, FAKE_VERSION_1);
    wr(bar + 0x14, 1, 1);
    wr(bar + 0x14, 3, 1);
    wr(bar + 0x08, 1, 4);
    wr(bar + 0x0c, 1, 4); /* VERSION_1 */
    wr(bar + 0x14, 11, 1);
    wr(bar + 0x18, 8, 2);
    wr(bar + 0x20, (uint32_t)ring.desc, 4);
    wr(bar + 0x28, (uint32_t)ring.avail, 4);
    wr(bar + 0x30, (uint32_t)ring.used, 4);
    wr(bar + 0x1c, 1, 2);
    wr(bar + 0x14, 15, 1);
    for (unsigned i = 0; i < 3; i++) {
        fake_offer(&ring, fake_chain(&ring, &piece, 1));
        wr(bar + 0x1000, 0, 2);
        while (!fake_used(&ring, &id, &len))
            (void)sched_yield();
    }
    wr(config(0, COMMAND), 0, 2);
}
END_TEST

Suite *pci_bus_suite(void);
Suite *pci_bus_suite(void)
{
    Suite *suite = suite_create("pci_bus");
    TCase *tcase = tcase_create("a bus with two devices");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, slots_and_empty_ones);
    tcase_add_test(tcase, a_bar_answers_while_memory_space_is_on);
    tcase_add_test(tcase, a_bar_moves_while_it_answers);
    tcase_add_loop_test(tcase, a_bar_in_no_place_answers_nowhere, 0, (int)ARRAY_SIZE(nowhere));
    tcase_add_test(tcase, what_is_past_a_bar_is_no_ones);
    tcase_add_test(tcase, without_doorbells_a_kick_is_an_access);
    suite_add_tcase(suite, tcase);
    return suite;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Eventfds that KVM hears: what it is told of them, and what becomes of what it refuses. */
#include "vmm/irqfds.h"

#include "tests/fake_kvm.h"

#include <check.h>
#include <string.h>

/* A message on every architecture: of arm64's frame, and any address is one on x86. */
#define ADDR 0x09040040
#define DATA 0x80

static struct kvm kvm;
static struct irqfds irqfds;

/* As KVM has it. */
static struct {
    uint32_t count, flags;
    struct kvm_irq_routing_entry entry[ARCH_LINE_ROUTES_MAX + IRQFDS_MAX];
} routes;
static unsigned routed; /* times */
static struct {
    uint32_t fd, gsi;
} assigned[IRQFDS_MAX];
static unsigned assigned_count;

static int routes_taken(const struct fake_call *call)
{
    memcpy(&routes, call->arg, sizeof(struct kvm_irq_routing));
    ck_assert_uint_le(routes.count, ARRAY_SIZE(routes.entry));
    memcpy(&routes, call->arg,
           sizeof(struct kvm_irq_routing) + routes.count * sizeof(routes.entry[0]));
    for (unsigned i = 0; i < routes.count; i++)
        ck_assert_uint_ne(routes.entry[i].type, 0); /* KVM would refuse all */
    routed++;
    return 0;
}

static int irqfd_taken(const struct fake_call *call)
{
    const struct kvm_irqfd *asked = call->arg;
    bool off = asked->flags == KVM_IRQFD_FLAG_DEASSIGN;
    unsigned at = 0;

    ck_assert(off || asked->flags == 0);
    while (at < assigned_count && assigned[at].fd != asked->fd)
        at++;
    if (off) {
        ck_assert_uint_lt(at, assigned_count);
        ck_assert_uint_eq(assigned[at].gsi, asked->gsi);
        assigned[at] = assigned[--assigned_count];
        return 0;
    }
    ck_assert_uint_eq(at, assigned_count);
    assigned[assigned_count].fd = asked->fd;
    assigned[assigned_count++].gsi = asked->gsi;
    return 0;
}

static void setup(void)
{
    memset(&routes, 0, sizeof(routes));
    routed = assigned_count = 0;
    fake_kvm_start();
    fake_kvm_answer(KVM_SET_GSI_ROUTING, routes_taken);
    fake_kvm_answer(KVM_IRQFD, irqfd_taken);
    ck_assert_int_eq(kvm_open(&kvm), 0);
    ck_assert_int_eq(kvm_create_vm(&kvm, 0), 0);
    irqfds_init(&irqfds, &kvm);
}

static void teardown(void)
{
    kvm_close(&kvm);
    fake_kvm_stop();
}

/* The message at each event of that eventfd is this: one that is assigned, to a GSI with one route
 * that no line has. */
static void assert_sends(int fd, uint64_t addr, uint32_t data)
{
    struct kvm_irq_routing_entry want;
    unsigned at = 0, found = 0;

    memset(&want, 0, sizeof(want));
    ck_assert(arch_message_route(addr, data, &want));
    while (at < assigned_count && assigned[at].fd != (uint32_t)fd)
        at++;
    ck_assert_uint_lt(at, assigned_count);
    want.gsi = assigned[at].gsi;
    for (unsigned i = 0; i < routes.count; i++) {
        if (routes.entry[i].gsi != want.gsi)
            continue;
        ck_assert_mem_eq(&routes.entry[i], &want, sizeof(want));
        found++;
    }
    ck_assert_uint_eq(found, 1);
}

START_TEST(lines_keep_their_routes)
{
    struct kvm_irq_routing_entry lines[ARCH_LINE_ROUTES_MAX];
    unsigned count = arch_line_routes(lines);

    ck_assert_uint_eq(routed, 0); /* as long as there is no irqfd */
    ck_assert(irqfds_bind(&irqfds, 7, ADDR, DATA));
    ck_assert_uint_eq(routes.count, count + 1);
    ck_assert_uint_eq(routes.flags, 0);
    ck_assert_mem_eq(routes.entry, lines, count * sizeof(lines[0]));
    assert_sends(7, ADDR, DATA);
}
END_TEST

START_TEST(a_mask_for_a_moment_takes_no_routes)
{
    for (int fd = 7; fd < 10; fd++)
        ck_assert(irqfds_bind(&irqfds, fd, ADDR, DATA));
    ck_assert_uint_eq(routed, 3);
    irqfds_unbind(&irqfds, 8);
    irqfds_unbind(&irqfds, 8);
    ck_assert_uint_eq(assigned_count, 2);
    ck_assert(irqfds_bind(&irqfds, 8, ADDR, DATA));
    ck_assert(irqfds_bind(&irqfds, 8, ADDR, DATA)); /* it is, already */
    ck_assert_uint_eq(routed, 3);
    for (int fd = 7; fd < 10; fd++)
        assert_sends(fd, ADDR, DATA);
}
END_TEST

START_TEST(another_message_is_another_route_alone)
{
    ck_assert(irqfds_bind(&irqfds, 7, ADDR, DATA));
    ck_assert(irqfds_bind(&irqfds, 8, ADDR, DATA));
    unsigned before = fake_kvm_count(KVM_IRQFD);
    ck_assert(irqfds_bind(&irqfds, 7, ADDR, DATA + 1));
    ck_assert_uint_eq(fake_kvm_count(KVM_IRQFD), before);
    assert_sends(7, ADDR, DATA + 1);
    assert_sends(8, ADDR, DATA);
}
END_TEST

START_TEST(unknown_ones_are_not_bound)
{
    irqfds_unbind(&irqfds, 7);
    ck_assert_uint_eq(fake_kvm_count(KVM_IRQFD), 0);
}
END_TEST

/* A kernel without routing: all goes by us. */
START_TEST(kvm_that_takes_no_routes_gets_no_irqfd)
{
    fake_kvm_fail(KVM_SET_GSI_ROUTING, 0, ENOTTY);
    for (int fd = 7; fd < 10; fd++)
        ck_assert(!irqfds_bind(&irqfds, fd, ADDR, DATA));
    ck_assert_uint_eq(fake_kvm_count(KVM_IRQFD), 0);
}
END_TEST

START_TEST(kvm_that_takes_no_irqfd)
{
    fake_kvm_fail(KVM_IRQFD, 0, EINVAL);
    ck_assert(!irqfds_bind(&irqfds, 7, ADDR, DATA));
    ck_assert(!irqfds_bind(&irqfds, 7, ADDR, DATA));
    irqfds_unbind(&irqfds, 7);
    ck_assert_uint_eq(routed, 1);
}
END_TEST

/* The route that is there stays; what is bound to it is not, or it would go to the old place. */
START_TEST(refused_message_unbinds_and_spoils_no_other)
{
    ck_assert(irqfds_bind(&irqfds, 7, ADDR, DATA));
    fake_kvm_fail(KVM_SET_GSI_ROUTING, 0, EINVAL);
    ck_assert(!irqfds_bind(&irqfds, 7, ADDR, DATA + 1));
    ck_assert(!irqfds_bind(&irqfds, 8, ADDR, DATA + 2));
    ck_assert_uint_eq(assigned_count, 0);
    fake_kvm_fail(KVM_SET_GSI_ROUTING, 1000, EINVAL);
    ck_assert(irqfds_bind(&irqfds, 9, ADDR, DATA + 3));
    ck_assert(irqfds_bind(&irqfds, 7, ADDR, DATA));
    assert_sends(9, ADDR, DATA + 3);
    assert_sends(7, ADDR, DATA);
}
END_TEST

START_TEST(those_beyond_the_last_are_not_bound)
{
    for (int fd = 3; fd < 3 + IRQFDS_MAX; fd++)
        ck_assert(irqfds_bind(&irqfds, fd, ADDR, DATA));
    ck_assert(!irqfds_bind(&irqfds, 3 + IRQFDS_MAX, ADDR, DATA));
    irqfds_unbind(&irqfds, 3 + IRQFDS_MAX);
    ck_assert_uint_eq(assigned_count, IRQFDS_MAX);
    ck_assert(irqfds_bind(&irqfds, 3, ADDR, DATA + 1));
    assert_sends(3, ADDR, DATA + 1);
    assert_sends(2 + IRQFDS_MAX, ADDR, DATA);
}
END_TEST

Suite *irqfds_suite(void);
Suite *irqfds_suite(void)
{
    Suite *suite = suite_create("irqfds");
    TCase *tcase = tcase_create("irqfds");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, lines_keep_their_routes);
    tcase_add_test(tcase, a_mask_for_a_moment_takes_no_routes);
    tcase_add_test(tcase, another_message_is_another_route_alone);
    tcase_add_test(tcase, unknown_ones_are_not_bound);
    tcase_add_test(tcase, kvm_that_takes_no_routes_gets_no_irqfd);
    tcase_add_test(tcase, kvm_that_takes_no_irqfd);
    tcase_add_test(tcase, refused_message_unbinds_and_spoils_no_other);
    tcase_add_test(tcase, those_beyond_the_last_are_not_bound);
    suite_add_tcase(suite, tcase);
    return suite;
}

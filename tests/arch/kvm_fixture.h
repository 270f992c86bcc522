/* SPDX-License-Identifier: BSD-3-Clause */
/* For tests of an architecture's ioctls: a scripted KVM with a VM in it. */
#pragma once

#include "arch/arch.h"
#include "tests/capture.h"
#include "tests/fake_kvm.h"
#include "tests/wrap.h"
#include "vmm/kvm.h"

#include <check.h>
#include <fcntl.h>

static struct kvm kvm;
static struct capture capture;

static inline void kvm_fixture_setup(void)
{
    fake_kvm_start();
    ck_assert_int_eq(kvm_open(&kvm), 0);
    ck_assert_int_eq(kvm_create_vm(&kvm, 0), 0);
}

static inline void kvm_fixture_teardown(void)
{
    kvm_close(&kvm);
    fake_kvm_stop();
}

/* Fails the first ioctl that init() makes, then the second and so on, until it succeeds: each time
 * it says so in a line. How many there were; asking for a capability cannot fail init(). */
static inline unsigned kvm_fixture_fail_each(int (*init)(struct kvm *, struct platform *),
                                             struct platform *platform)
{
    unsigned failed = 0;

    for (unsigned n = 0; n < 50; n++) {
        kvm_fixture_teardown();
        kvm_fixture_setup();
        fake_kvm_fail_one(n, EIO);
        capture_start(&capture);
        int r = init(&kvm, platform);
        capture_end(&capture);
        ck_assert_int_eq(capture_is_one_error(capture.text), r < 0);
        ck_assert(r == 0 || r == -EIO);
        failed += r < 0;
    }
    return failed;
}

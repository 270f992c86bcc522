/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A scripted /dev/kvm, for tests of the files that make ioctls. The test program is linked with
 * --wrap=open and --wrap=ioctl, so calls from our own files pass through here; what is not KVM's
 * goes on to the kernel. KVM's fds are memfds: close() and the mmap() of a run page are real.
 *
 * Every ioctl succeeds with 0, and what it would read is zeroes, unless a test says otherwise:
 *
 *   fake_kvm_start();
 *   fake_kvm_cap(KVM_CAP_MAX_VCPUS, 8);
 *   fake_kvm_answer(KVM_GET_CLOCK, a_function);          // or
 *   fake_kvm_fail(KVM_CREATE_VCPU, 1, ENOMEM);           // the second one and all later
 *   fake_kvm_script(0, exits, ARRAY_SIZE(exits));        // what vCPU 0 leaves KVM_RUN for
 *   ...
 *   fake_kvm_stop();
 *
 * KVM_RUN does as KVM's: it completes what the last exit left (a read's data is then the guest's,
 * see fake_kvm_guest_data()), fails with EINTR if immediate_exit is set, and gives the next exit of
 * the script. Behind the script the guest sleeps for good: KVM_RUN waits for a signal. No kick is
 * lost: immediate_exit is looked at with signals blocked.
 */
#pragma once

#include "vmm/base/base.h"

#include <linux/kvm.h>

#define FAKE_KVM_RUN_BYTES (2 * 4096) /* a page of struct kvm_run, one of port I/O data */
#define FAKE_KVM_VCPUS_MAX 8

enum fake_fd { FAKE_KVM = 1, FAKE_VM, FAKE_VCPU, FAKE_DEVICE };

/* One ioctl. */
struct fake_call {
    enum fake_fd on;
    unsigned index; /* of the vCPU or device */
    unsigned long request;
    unsigned long number; /* the argument, where it is one */
    void *arg;            /* the argument, where it is a pointer; of old calls invalid */
};

/* Why KVM_RUN returns. */
struct fake_exit {
    int error;            /* fails with this errno; the rest does not count */
    uint32_t reason;      /* KVM_EXIT_... */
    bool write;           /* MMIO and port I/O: by the guest */
    uint8_t size;         /* of the access in bytes */
    uint8_t count;        /* port I/O: accesses of a string instruction; 0 is 1 */
    uint64_t addr;        /* MMIO address, or port */
    uint64_t data;        /* written; or type, suberror or hardware reason of what is no access */
    bool more;            /* completing it gives the next exit, even if the run is to end at once */
    void (*during)(void); /* called while the guest runs, before this exit */
};

void fake_kvm_start(void);
/* Back to normal. KVM's fds are closed, or not KVM's any more. */
void fake_kvm_stop(void);

void fake_kvm_cap(long cap, int value);
/* What `request` does from now on: answer() returns its result, or -errno. NULL: as at first. It
 * runs on the thread that makes the call, one at a time; it must not block. */
void fake_kvm_answer(unsigned long request, int (*answer)(const struct fake_call *call));
/* Lets `count` calls of `request` succeed, then fails every one with the errno `error`. Opening
 * /dev/kvm is a request, too. */
#define FAKE_KVM_OPEN 0ul
void fake_kvm_fail(unsigned long request, unsigned count, int error);
/* Lets `count` calls of any kind succeed, then fails the next one alone. */
void fake_kvm_fail_one(unsigned count, int error);

/* `exits` are borrowed. Before the vCPU runs. */
void fake_kvm_script(unsigned vcpu, const struct fake_exit *exits, unsigned count);
/* Blocks until the vCPU has used up its script and sleeps in KVM_RUN. */
void fake_kvm_wait_idle(unsigned vcpu);
/* Exits of the vCPU that are complete, and what the n-th of them gave the guest: the data of a read
 * (of the last access of a string), as the run page had it when KVM_RUN was called again. */
unsigned fake_kvm_completed(unsigned vcpu);
uint64_t fake_kvm_guest_data(unsigned vcpu, unsigned n);

/* The calls so far (KVM_RUN and KVM_IRQ_LINE_STATUS left out), oldest first; those of one request.
 */
unsigned fake_kvm_calls(void);
const struct fake_call *fake_kvm_call(unsigned n);
unsigned fake_kvm_count(unsigned long request);
/* Index of the first call of `request`; UINT_MAX if there was none. */
unsigned fake_kvm_first(unsigned long request);

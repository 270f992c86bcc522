/* SPDX-License-Identifier: BSD-3-Clause */
/* See fake_kvm.h. The state is file-scope because the calls have no argument to carry it. */
#include "tests/fake_kvm.h"

#include "tests/fake_evdev.h"
#include "tests/fake_tap.h"
#include "tests/fake_vhost.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define FDS_MAX     64
#define CALLS_MAX   2048
#define RULES_MAX   32
#define CAPS_MAX    32
#define DONE_MAX    1024
#define DATA_OFFSET 4096 /* of port I/O in the run page */

int __real_open(const char *path, int flags, ...);
int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);

struct fd {
    int fd;
    enum fake_fd kind;
    unsigned index;
};

/* What a test said of one request. */
struct rule {
    unsigned long request;
    int (*answer)(const struct fake_call *call);
    bool fails;
    unsigned left; /* calls until it fails */
    int error;
};

struct guest {
    const struct fake_exit *exits;
    unsigned count, next;
    bool pending; /* the last exit is not complete yet */
    bool idle;    /* asleep in KVM_RUN */
    struct kvm_run *run;
    unsigned done;
    uint64_t data[DONE_MAX];
};

static struct {
    bool started;
    struct fd fds[FDS_MAX];
    unsigned fd_count, vcpu_count, device_count;
    struct rule rules[RULES_MAX];
    unsigned rule_count;
    struct {
        long cap;
        int value;
    } caps[CAPS_MAX];
    unsigned cap_count;
    bool fails_one;
    unsigned until_failure;
    int failure;
    struct fake_call calls[CALLS_MAX];
    unsigned call_count;
    struct guest guests[FAKE_KVM_VCPUS_MAX];
} kvm;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t idle_changed = PTHREAD_COND_INITIALIZER;

/* -- what tests say -- */

void fake_kvm_start(void)
{
    memset(&kvm, 0, sizeof(kvm));
    kvm.started = true;
}

void fake_kvm_stop(void)
{
    for (unsigned i = 0; i < FAKE_KVM_VCPUS_MAX; i++)
        if (kvm.guests[i].run != NULL)
            (void)munmap(kvm.guests[i].run, FAKE_KVM_RUN_BYTES);
    memset(&kvm, 0, sizeof(kvm));
}

void fake_kvm_cap(long cap, int value)
{
    assert(kvm.cap_count < CAPS_MAX);
    kvm.caps[kvm.cap_count].cap = cap;
    kvm.caps[kvm.cap_count++].value = value;
}

static struct rule *rule_find(unsigned long request)
{
    for (unsigned i = 0; i < kvm.rule_count; i++)
        if (kvm.rules[i].request == request)
            return &kvm.rules[i];
    return NULL;
}

static struct rule *rule_of(unsigned long request)
{
    struct rule *rule = rule_find(request);

    if (rule != NULL)
        return rule;
    assert(kvm.rule_count < RULES_MAX);
    rule = &kvm.rules[kvm.rule_count++];
    rule->request = request;
    return rule;
}

void fake_kvm_answer(unsigned long request, int (*answer)(const struct fake_call *call))
{
    rule_of(request)->answer = answer;
}

void fake_kvm_fail(unsigned long request, unsigned count, int error)
{
    struct rule *rule = rule_of(request);

    rule->fails = true;
    rule->left = count;
    rule->error = error;
}

void fake_kvm_fail_one(unsigned count, int error)
{
    kvm.fails_one = true;
    kvm.until_failure = count;
    kvm.failure = error;
}

void fake_kvm_script(unsigned vcpu, const struct fake_exit *exits, unsigned count)
{
    assert(vcpu < FAKE_KVM_VCPUS_MAX);
    kvm.guests[vcpu].exits = exits;
    kvm.guests[vcpu].count = count;
    kvm.guests[vcpu].next = 0;
}

/* -- what tests ask -- */

void fake_kvm_wait_idle(unsigned vcpu)
{
    (void)pthread_mutex_lock(&lock);
    while (!kvm.guests[vcpu].idle)
        (void)pthread_cond_wait(&idle_changed, &lock);
    (void)pthread_mutex_unlock(&lock);
}

unsigned fake_kvm_completed(unsigned vcpu)
{
    (void)pthread_mutex_lock(&lock);
    unsigned done = kvm.guests[vcpu].done;
    (void)pthread_mutex_unlock(&lock);
    return done;
}

uint64_t fake_kvm_guest_data(unsigned vcpu, unsigned n)
{
    assert(n < fake_kvm_completed(vcpu));
    return kvm.guests[vcpu].data[n];
}

unsigned fake_kvm_calls(void)
{
    return kvm.call_count;
}

const struct fake_call *fake_kvm_call(unsigned n)
{
    assert(n < kvm.call_count);
    return &kvm.calls[n];
}

unsigned fake_kvm_count(unsigned long request)
{
    unsigned count = 0;

    for (unsigned i = 0; i < kvm.call_count; i++)
        count += kvm.calls[i].request == request;
    return count;
}

unsigned fake_kvm_first(unsigned long request)
{
    for (unsigned i = 0; i < kvm.call_count; i++)
        if (kvm.calls[i].request == request)
            return i;
    return UINT_MAX;
}

/* -- descriptors -- */

static int fd_make(enum fake_fd kind, unsigned index)
{
    int fd = memfd_create("fake-kvm", MFD_CLOEXEC);

    assert(fd >= 0);
    for (unsigned i = 0; i < kvm.fd_count; i++)
        if (kvm.fds[i].fd == fd) /* closed meanwhile */
            kvm.fds[i] = kvm.fds[--kvm.fd_count];
    assert(kvm.fd_count < FDS_MAX);
    kvm.fds[kvm.fd_count++] = (struct fd){fd, kind, index};
    return fd;
}

static int vcpu_make(void)
{
    unsigned index = kvm.vcpu_count++;

    assert(index < FAKE_KVM_VCPUS_MAX);
    int fd = fd_make(FAKE_VCPU, index);
    int r = ftruncate(fd, FAKE_KVM_RUN_BYTES);
    assert(r == 0);
    void *run = mmap(NULL, FAKE_KVM_RUN_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    kvm.guests[index].run = run != MAP_FAILED ? run : NULL; /* a test fails mmap: it will not run */
    return fd;
}

int __wrap_open(const char *path, int flags, ...)
{
    mode_t mode = 0;
    va_list args;

    va_start(args, flags);
    if ((flags & (O_CREAT | O_TMPFILE)) != 0)
        mode = va_arg(args, mode_t);
    va_end(args);
    int fd = fake_tap_open(path);
    if (fd == -ENOSYS)
        fd = fake_evdev_open(path);
    if (fd == -ENOSYS)
        fd = fake_vhost_open(path);
    if (fd != -ENOSYS)
        return fd;
    if (!kvm.started || strcmp(path, "/dev/kvm") != 0)
        return __real_open(path, flags, mode);
    const struct rule *rule = rule_find(FAKE_KVM_OPEN);
    if (rule != NULL && rule->fails) {
        errno = rule->error;
        return -1;
    }
    return fd_make(FAKE_KVM, 0);
}

/* -- KVM_RUN -- */

static void exit_fill(struct guest *guest, const struct fake_exit *exit)
{
    struct kvm_run *run = guest->run;

    run->exit_reason = exit->reason;
    switch (exit->reason) {
    case KVM_EXIT_MMIO:
        run->mmio.phys_addr = exit->addr;
        run->mmio.len = exit->size;
        run->mmio.is_write = exit->write;
        memcpy(run->mmio.data, &exit->data, sizeof(exit->data));
        break;
    case KVM_EXIT_IO:
        run->io.direction = exit->write ? KVM_EXIT_IO_OUT : KVM_EXIT_IO_IN;
        run->io.port = (uint16_t)exit->addr;
        run->io.size = exit->size;
        run->io.count = exit->count > 0 ? exit->count : 1u;
        run->io.data_offset = DATA_OFFSET;
        for (unsigned i = 0; i < run->io.count; i++)
            memcpy((char *)run + DATA_OFFSET + i * exit->size, &exit->data, exit->size);
        break;
    case KVM_EXIT_SYSTEM_EVENT:
        run->system_event.type = (uint32_t)exit->data;
        break;
    case KVM_EXIT_FAIL_ENTRY:
        run->fail_entry.hardware_entry_failure_reason = exit->data;
        break;
    case KVM_EXIT_INTERNAL_ERROR:
        run->internal.suberror = (uint32_t)exit->data;
        break;
    default:
        break;
    }
}

/* What the guest got: KVM reads it when it is entered again. */
static void exit_complete(struct guest *guest)
{
    const struct kvm_run *run = guest->run;
    uint64_t data = 0;

    if (run->exit_reason == KVM_EXIT_MMIO)
        memcpy(&data, run->mmio.data, run->mmio.len);
    if (run->exit_reason == KVM_EXIT_IO)
        memcpy(&data, (const char *)run + DATA_OFFSET + (run->io.count - 1) * run->io.size,
               run->io.size);
    assert(guest->done < DONE_MAX);
    guest->data[guest->done++] = data;
    guest->pending = false;
}

static bool exits_at_once(const struct guest *guest)
{
    return __atomic_load_n(&guest->run->immediate_exit, __ATOMIC_ACQUIRE) != 0;
}

/* Until a signal that `allowed` lets through. */
static int guest_sleep(struct guest *guest, const sigset_t *allowed)
{
    guest->idle = true;
    (void)pthread_cond_broadcast(&idle_changed);
    (void)pthread_mutex_unlock(&lock);
    (void)ppoll(NULL, 0, NULL, allowed);
    (void)pthread_mutex_lock(&lock);
    guest->idle = false;
    return -EINTR;
}

static int guest_run(struct guest *guest, const sigset_t *allowed)
{
    bool more = false;

    if (guest->pending) {
        more = guest->exits[guest->next - 1].more;
        exit_complete(guest);
    }
    if (!more && exits_at_once(guest))
        return -EINTR;
    if (guest->next == guest->count)
        return guest_sleep(guest, allowed);
    const struct fake_exit *exit = &guest->exits[guest->next++];
    if (exit->during != NULL) {
        (void)pthread_mutex_unlock(&lock);
        exit->during();
        (void)pthread_mutex_lock(&lock);
    }
    if (exit->error != 0)
        return -exit->error;
    exit_fill(guest, exit);
    guest->pending = true;
    return 0;
}

static int vcpu_run(unsigned index)
{
    sigset_t all, old;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_BLOCK, &all, &old);
    (void)pthread_mutex_lock(&lock);
    int r = guest_run(&kvm.guests[index], &old);
    (void)pthread_mutex_unlock(&lock);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    return r;
}

/* -- ioctl -- */

static int cap_value(long cap)
{
    for (unsigned i = kvm.cap_count; i > 0; i--)
        if (kvm.caps[i - 1].cap == cap)
            return kvm.caps[i - 1].value;
    return 0;
}

static int answer(const struct fake_call *call)
{
    switch (call->request) {
    case KVM_GET_API_VERSION:
        return KVM_API_VERSION;
    case KVM_GET_VCPU_MMAP_SIZE:
        return FAKE_KVM_RUN_BYTES;
    case KVM_CHECK_EXTENSION:
        return cap_value((long)call->number);
    case KVM_CREATE_VM:
        return fd_make(FAKE_VM, 0);
    case KVM_CREATE_VCPU:
        return vcpu_make();
    case KVM_CREATE_DEVICE:
        ((struct kvm_create_device *)call->arg)->fd =
            (uint32_t)fd_make(FAKE_DEVICE, kvm.device_count++);
        return 0;
    default:
        if ((_IOC_DIR(call->request) & _IOC_READ) != 0)
            memset(call->arg, 0, _IOC_SIZE(call->request));
        return 0;
    }
}

static int failure(const struct rule *rule)
{
    if (kvm.fails_one && kvm.until_failure-- == 0) {
        kvm.fails_one = false;
        return kvm.failure;
    }
    return rule != NULL && rule->fails && rule->left == 0 ? rule->error : 0;
}

static int serve(const struct fake_call *call)
{
    struct rule *rule = rule_find(call->request);

    if (call->request != KVM_IRQ_LINE_STATUS) {
        assert(kvm.call_count < CALLS_MAX);
        kvm.calls[kvm.call_count++] = *call;
    }
    int error = failure(rule);
    if (error != 0)
        return -error;
    if (rule != NULL && rule->fails)
        rule->left--;
    return rule != NULL && rule->answer != NULL ? rule->answer(call) : answer(call);
}

static bool fd_find(int fd, struct fd *ret_fd)
{
    for (unsigned i = 0; i < kvm.fd_count; i++)
        if (kvm.fds[i].fd == fd) {
            *ret_fd = kvm.fds[i];
            return true;
        }
    return false;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
    va_list args;
    struct fd known;

    va_start(args, request);
    unsigned long number = va_arg(args, unsigned long);
    va_end(args);
    (void)pthread_mutex_lock(&lock);
    bool ours = kvm.started && fd_find(fd, &known);
    (void)pthread_mutex_unlock(&lock);
    int r = ours ? -ENOSYS : fake_tap_ioctl(fd, request, number);
    if (!ours && r == -ENOSYS)
        r = fake_evdev_ioctl(fd, request, number);
    if (!ours && r == -ENOSYS)
        r = fake_vhost_ioctl(fd, request, number);
    if (!ours && r == -ENOSYS)
        return __real_ioctl(fd, request, number);
    if (!ours)
        errno = -r;
    if (!ours)
        return r < 0 ? -1 : r;
    if (request == KVM_RUN) {
        r = vcpu_run(known.index);
    } else {
        (void)pthread_mutex_lock(&lock);
        r = serve(&(struct fake_call){known.kind, known.index, request, number,
                                      (void *)(uintptr_t)number});
        (void)pthread_mutex_unlock(&lock);
    }
    if (r < 0)
        errno = -r;
    return r < 0 ? -1 : r;
}

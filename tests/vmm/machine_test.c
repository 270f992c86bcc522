/* SPDX-License-Identifier: BSD-3-Clause */
/* A whole machine under a scripted KVM: built, run, paused, ended, and everything that may fail. */
#include "vmm/machine_inside.h"

#include "tests/arch/arm64/fake_image.h"
#include "tests/capture.h"
#include "tests/entries.h"
#include "tests/fake_kernel.h"
#include "tests/fake_kvm.h"

#include <check.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

static char kernel_path[] = "/tmp/linnet-machine-XXXXXX";
static struct config *config;
static struct machine *machine;
static struct capture capture;
static sigset_t old_mask;
static int saved_stdin;

/* A kernel that this architecture loads. */
static struct file make_kernel(void)
{
    static const struct fake_elf elf = {
        .entry = 0x1000000,
        .count = 1,
        .segment = {{.offset = 4096, .addr = 0x1000000, .file_size = 512, .mem_size = 4096}},
    };

    return arch_layout->ram.base == 0 ? fake_elf(&elf) : fake_image(0, 65536);
}

static void setup(void)
{
    struct file kernel = make_kernel();

    (void)strcpy(strrchr(kernel_path, '-'), "-XXXXXX");
    int fd = mkstemp(kernel_path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, kernel.bytes, kernel.size), (ssize_t)kernel.size);
    (void)close(fd);
    file_free(&kernel);
    ck_assert_int_eq(sigprocmask(SIG_BLOCK, NULL, &old_mask), 0);
    saved_stdin = dup(STDIN_FILENO);
    fd = open("/dev/null", O_RDONLY);
    ck_assert_int_eq(dup2(fd, STDIN_FILENO), STDIN_FILENO);
    (void)close(fd);
    fake_kvm_start();
    fake_kvm_cap(KVM_CAP_MAX_VCPUS, 64);
    config = NULL;
    machine = NULL;
}

static void teardown(void)
{
    machine_destroy(machine);
    config_destroy(config);
    fake_kvm_stop();
    (void)unlink(kernel_path);
    ck_assert_int_eq(sigprocmask(SIG_SETMASK, &old_mask, NULL), 0);
    ck_assert_int_eq(dup2(saved_stdin, STDIN_FILENO), STDIN_FILENO);
    fd_close(&saved_stdin);
}

/* Reads the options of a machine of two vCPUs; `more`: up to two words, or NULL. */
static void configure(const char *first, const char *second)
{
    char *args[] = {(char *)"--kvm",
                    (char *)"any",
                    (char *)"--cpus",
                    (char *)"2",
                    (char *)"--mem",
                    (char *)"64M",
                    (char *)"--kernel-cache",
                    (char *)"off",
                    kernel_path,
                    (char *)(uintptr_t)first,
                    (char *)(uintptr_t)second,
                    NULL};

    ck_assert_int_eq(config_create(machine_device_kinds(), &config), 0);
    ck_assert_int_eq(config_parse_args(config, args), 0);
}

static void create(const char *first, const char *second)
{
    configure(first, second);
    ck_assert_int_eq(machine_create(config, NULL, &machine), 0);
}

static void script(const struct fake_exit *exits, unsigned count)
{
    fake_kvm_script(0, exits, count);
}

static enum vm_end run(void)
{
    int signal_number = 0;

    return machine_run(machine, &signal_number);
}

/* -- building -- */

START_TEST(ram_is_given_before_there_is_an_interrupt_controller)
{
    create("--serial", "none");
    unsigned ram = fake_kvm_first(KVM_SET_USER_MEMORY_REGION);
    unsigned irqchip = MIN(fake_kvm_first(KVM_CREATE_IRQCHIP), fake_kvm_first(KVM_CREATE_DEVICE));
    ck_assert_uint_lt(ram, irqchip);
    ck_assert_uint_lt(irqchip, fake_kvm_first(KVM_CREATE_VCPU));
    ck_assert_uint_eq(fake_kvm_count(KVM_CREATE_VM), 1); /* none beside to look at KVM */
}
END_TEST

static struct kvm_userspace_memory_region slots[8];
static unsigned slot_count;

static int slot_noted(const struct fake_call *call)
{
    slots[slot_count++] = *(const struct kvm_userspace_memory_region *)call->arg;
    return 0;
}

/* Each at a GiB of its own, so that one more moves none. */
START_TEST(windows_lie_behind_ram)
{
    char word[64];

    slot_count = 0;
    fake_kvm_answer(KVM_SET_USER_MEMORY_REGION, slot_noted);
    (void)snprintf(word, sizeof(word), "--pmem=%s", kernel_path);
    create(word, word);
    ck_assert_uint_eq(slot_count, 3);
    ck_assert_uint_eq(slots[1].flags, KVM_MEM_READONLY);
    ck_assert_uint_eq(slots[1].guest_phys_addr % (1 << 30), 0);
    ck_assert_uint_ge(slots[1].guest_phys_addr, slots[0].guest_phys_addr + slots[0].memory_size);
    ck_assert_uint_eq(slots[1].memory_size % (2 << 20), 0);
    ck_assert_uint_eq(slots[2].guest_phys_addr, slots[1].guest_phys_addr + (1 << 30));
    ck_assert_uint_ne(slots[1].slot, slots[2].slot);
    ck_assert_uint_ne(slots[1].userspace_addr, slots[2].userspace_addr);
}
END_TEST

static unsigned kicks;

static int kick_noted(const struct fake_call *call)
{
    const struct kvm_ioeventfd *kick = call->arg;

    kicks += (kick->flags & KVM_IOEVENTFD_FLAG_PIO) == 0;
    return 0;
}

/* Kicks of a device over mmio are connected at once, of one on PCI when the guest maps it. */
START_TEST(device_is_behind_the_transport_that_it_names)
{
    static const struct {
        const char *rng, *balloon;
        unsigned kicks; /* a queue of the one, five of the other; mmio: and acknowledgements */
    } rows[] = {
        {"--rng", "--balloon", 8},
        {"--rng=transport=pci", "--balloon", 6},
        {"--rng", "--balloon=transport=pci", 2},
        {"--rng=transport=pci", "--balloon=transport=pci", 0},
    };

    kicks = 0;
    fake_kvm_answer(KVM_IOEVENTFD, kick_noted);
    create(rows[_i].rng, rows[_i].balloon);
    ck_assert_uint_eq(kicks, rows[_i].kicks);
}
END_TEST

/* Every call in turn fails: then there is one line and no machine, or the call did not matter. */
START_TEST(kvm_call_that_fails_is_one_line_or_does_not_matter)
{
    unsigned failed = 0, n = 0;

    configure("--rng", NULL);
    unsigned fds = entries_count("/proc/self/fd");
    do {
        fake_kvm_stop();
        fake_kvm_start();
        fake_kvm_fail_one(n, EIO);
        capture_start(&capture);
        int r = machine_create(config, NULL, &machine);
        unsigned calls = fake_kvm_calls();
        machine_destroy(machine);
        machine = NULL;
        const char *text = capture_end(&capture);
        if (r < 0) {
            ck_assert_one_error(text, "");
            failed++;
        } else {
            ck_assert_msg(text[0] == '\0', "call %u: %s", n, text);
        }
        ck_assert_uint_eq(entries_count("/proc/self/fd"), fds);
        if (n >= calls)
            break;
    } while (n++ < 1000);
    ck_assert_uint_gt(failed, 10);
    ck_assert_uint_lt(n, 1000);
}
END_TEST

START_TEST(kvm_that_cannot_be_opened_is_one_line)
{
    configure(NULL, NULL);
    fake_kvm_fail(FAKE_KVM_OPEN, 0, EACCES);
    capture_start(&capture);
    int r = machine_create(config, NULL, &machine);
    const char *text = capture_end(&capture);
    ck_assert_int_eq(r, -EACCES);
    ck_assert_one_error(text, "");
}
END_TEST

START_TEST(serial_file_that_cannot_be_opened_is_one_line)
{
    configure("--serial", "file:/nowhere/at/all");
    capture_start(&capture);
    int r = machine_create(config, NULL, &machine);
    const char *text = capture_end(&capture);
    ck_assert_int_eq(r, -ENOENT);
    ck_assert_one_error(text, "");
}
END_TEST

/* What --transcript and --trace write is complete when the machine has ended, however that was. */
START_TEST(what_happened_is_written_when_the_guest_crashed)
{
    static const struct fake_exit exits[] = {
        {.reason = KVM_EXIT_MMIO, .write = true, .size = 4, .addr = 0xfe000000},
        {.reason = KVM_EXIT_SHUTDOWN}};
    char transcript[] = "--transcript=/tmp/linnet-said-XXXXXX";
    char trace[] = "--trace=/tmp/linnet-trace-XXXXXX", line[256];
    const char *path = strchr(transcript, '/'), *trace_path = strchr(trace, '/');

    (void)close(mkstemp(strchr(transcript, '/')));
    (void)close(mkstemp(strchr(trace, '/')));
    create(transcript, trace);
    script(exits, 2);
    capture_start(&capture);
    enum vm_end how = run();
    int r = machine_finish(machine, how);
    (void)capture_end(&capture);
    ck_assert_int_eq(how, VM_CRASHED);
    ck_assert_int_eq(r, 0);
    FILE *file = fopen(path, "re");
    ck_assert_ptr_nonnull(file);
    ck_assert_ptr_nonnull(fgets(line, sizeof(line), file));
    ck_assert_int_eq(strncmp(line, "#   seconds  device", 19), 0);
    (void)fclose(file);
    json_t *object = json_load_file(trace_path, 0, NULL);
    ck_assert_ptr_nonnull(object);
    const json_t *events = json_object_get(object, "traceEvents");
    ck_assert_uint_ge(json_array_size(events), 4); /* process, vCPU, its two exits */
    json_decref(object);
    (void)unlink(path);
    (void)unlink(trace_path);
}
END_TEST

static unsigned threads_before; /* of this process, before the first test */

START_TEST(threads_are_there_before_the_guest_runs)
{
    const unsigned threads = threads_before;

    configure("--rng", NULL);
    ck_assert_int_eq(machine_create(config, NULL, &machine), 0);
    ck_assert(entries_become("/proc/self/task", threads + 4)); /* vCPUs, console, worker */
    machine_destroy(machine);
    machine = NULL;
    ck_assert(entries_become("/proc/self/task", threads));
}
END_TEST

/* -- ending -- */

static const struct {
    struct fake_exit exit;
    enum vm_end end;
} ends[] = {
    {{.reason = KVM_EXIT_SYSTEM_EVENT, .data = KVM_SYSTEM_EVENT_SHUTDOWN}, VM_POWEROFF},
    {{.reason = KVM_EXIT_SYSTEM_EVENT, .data = KVM_SYSTEM_EVENT_RESET}, VM_RESET},
    {{.reason = KVM_EXIT_SHUTDOWN}, VM_CRASHED},
    {{.error = EFAULT}, VM_HOST_ERROR},
};

START_TEST(guest_ends_its_machine)
{
    script(&ends[_i].exit, 1);
    create("--serial", "none");
    capture_start(&capture);
    enum vm_end end = run();
    (void)capture_end(&capture);
    ck_assert_int_eq(end, ends[_i].end);
    ck_assert_int_eq(machine_finish(machine, end), 0);
}
END_TEST

static int init_port; /* the device's end of linnet.ctl */

static int say_that_it_begins(struct virtio_device *dev)
{
    (void)dev;
    return write(init_port, "b", 2) == 2 ? 0 : -EIO;
}

/* What the guest sent counts, though the device comes to it only when the guest is gone. */
START_TEST(last_message_of_a_command_is_heard)
{
    struct run of_command = {.command = (char *[]){(char *)"cmd", NULL}};
    int fds[RUN_PORTS][2];

    script(&ends[0].exit, 1);
    create("--rng", NULL);
    struct virtio_class class = *machine->virtio[0]->class;
    class.finish = say_that_it_begins;
    machine->virtio[0]->class = &class;
    for (int i = 0; i < RUN_PORTS; i++) {
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds[i]), 0);
        of_command.ours[i] = fds[i][0];
    }
    init_port = fds[RUN_CTL][1];
    ck_assert_int_eq(session_start(&machine->session, &of_command, &machine->loop, 0), 0);
    capture_start(&capture);
    enum vm_end end = run();
    int r = machine_finish(machine, end);
    const char *text = capture_end(&capture);
    machine_destroy(machine);
    machine = NULL;
    for (int i = 0; i < RUN_PORTS; i++) {
        fd_close(&fds[i][0]);
        fd_close(&fds[i][1]);
    }
    ck_assert_int_eq(r, 0);
    ck_assert_str_eq(text, "linnet: error: the guest powered off before cmd ended\n");
}
END_TEST

START_TEST(signal_ends_a_machine_whose_guest_sleeps)
{
    int signal_number = 0;

    create("--serial", "none");
    ck_assert_int_eq(kill(getpid(), SIGTERM), 0);
    ck_assert_int_eq(machine_run(machine, &signal_number), VM_SIGNAL);
    ck_assert_int_eq(signal_number, SIGTERM);
}
END_TEST

START_TEST(time_limit_leaves_registers)
{
    create("--time-limit", "1ms");
    capture_start(&capture);
    enum vm_end end = run();
    const char *text = capture_end(&capture);
    ck_assert_int_eq(end, VM_TIME_LIMIT);
    ck_assert_ptr_nonnull(strstr(text, "--time-limit is up"));
}
END_TEST

/* Both vCPUs write to a console that nobody reads; once one hung in the write, the other in the
 * port's lock, and nothing ended the machine. */
START_TEST(console_that_nobody_reads_stops_nothing)
{
    struct fake_exit writes[100];
    int out[2], saved = dup(STDOUT_FILENO);
    uint8_t bytes[4096] = {0};
    const struct platform_device *port = arch_layout->fixed;

    while (port->kind != PLATFORM_SERIAL)
        port++;
    for (size_t i = 0; i < ARRAY_SIZE(writes); i++)
        writes[i] = (struct fake_exit){
            .reason = port->port_io ? KVM_EXIT_IO : KVM_EXIT_MMIO,
            .write = true,
            .addr = port->base,
            .size = 1,
            .data = 'x',
        };
    ck_assert_int_eq(pipe2(out, O_NONBLOCK), 0);
    while (write(out[1], bytes, sizeof(bytes)) > 0)
        ;
    ck_assert_int_eq(fcntl(out[1], F_SETFL, 0), 0);
    ck_assert_int_eq(dup2(out[1], STDOUT_FILENO), STDOUT_FILENO);
    fake_kvm_script(0, writes, ARRAY_SIZE(writes));
    fake_kvm_script(1, writes, ARRAY_SIZE(writes));
    create(NULL, NULL);
    machine->console.patience_ms = 0;
    vcpus_resume(&machine->vcpus);
    fake_kvm_wait_idle(0);
    fake_kvm_wait_idle(1);
    ck_assert_int_eq(kill(getpid(), SIGTERM), 0);
    capture_start(&capture);
    enum vm_end end = run();
    const char *text = capture_end(&capture);
    ck_assert_int_eq(dup2(saved, STDOUT_FILENO), STDOUT_FILENO);
    (void)close(saved);
    (void)close(out[0]);
    (void)close(out[1]);
    ck_assert_int_eq(end, VM_SIGNAL);
    ck_assert_ptr_nonnull(strstr(text, "nobody read it, 200 bytes are lost"));
}
END_TEST

/* -- pause -- */

START_TEST(pause_and_resume_are_refused_where_they_are_done)
{
    create("--rng", NULL);
    vcpus_resume(&machine->vcpus);
    ck_assert_int_eq(machine_resume(machine), -EALREADY);
    ck_assert_int_eq(machine_pause(machine), 0);
    ck_assert_int_eq(machine_pause(machine), -EALREADY);
    ck_assert_uint_eq(machine->vcpus.running, 0);
    ck_assert_int_eq(machine_resume(machine), 0);
    ck_assert_int_eq(machine_resume(machine), -EALREADY);
    fake_kvm_wait_idle(0);
    ck_assert_int_eq(machine_pause(machine), 0);
}
END_TEST

START_TEST(pause_that_fails_leaves_a_guest_that_runs)
{
    create("--serial", "none");
    vcpus_resume(&machine->vcpus);
    fake_kvm_wait_idle(0);
    fake_kvm_fail_one(0, EIO);
    capture_start(&capture);
    int r = machine_pause(machine);
    const char *text = capture_end(&capture);
    ck_assert_int_eq(r, -EIO);
    ck_assert_one_error(text, "");
    fake_kvm_wait_idle(0);
    ck_assert_int_eq(machine_resume(machine), -EALREADY);
}
END_TEST

/* What the loop does once it runs: pauses, then ends in one of these ways. */
static struct watch at_once = {.fd = -1};

static void by_signal(void)
{
    ck_assert_int_eq(kill(getpid(), SIGHUP), 0);
}

static void by_control(void)
{
    machine->control_vm.quit(&machine->control_vm);
}

static void by_escape(void)
{
    machine->terminal.quit(&machine->terminal);
}

static void by_time_limit(void)
{
    machine->wake.ended(&machine->wake, false);
}

static const struct {
    void (*ask)(void);
    enum vm_end end;
} asks[] = {
    {by_signal, VM_SIGNAL},
    {by_control, VM_QUIT},
    {by_escape, VM_QUIT},
    {by_time_limit, VM_TIME_LIMIT},
};
static int asked;

static void pause_and_end(struct watch *watch, uint32_t epoll_events)
{
    (void)epoll_events;
    loop_remove(watch);
    ck_assert_int_eq(machine->control_vm.pause(&machine->control_vm), 0);
    ck_assert_int_eq(kill(getpid(), SIGUSR1), 0); /* a report meanwhile does no harm */
    asks[asked].ask();
}

START_TEST(what_ends_a_machine_ends_a_paused_one)
{
    create("--rng", NULL);
    asked = _i;
    at_once = (struct watch){.fd = eventfd(1, EFD_CLOEXEC), .ready = pause_and_end};
    ck_assert_int_eq(loop_add(&machine->loop, &at_once, EPOLLIN), 0);
    capture_start(&capture);
    enum vm_end end = run();
    (void)capture_end(&capture);
    fd_close(&at_once.fd);
    ck_assert_int_eq(end, asks[_i].end);
    ck_assert_int_eq(machine_finish(machine, end), 0);
}
END_TEST

/* Keys that come meanwhile are the guest's when it runs again. */
START_TEST(input_waits_while_the_machine_is_paused)
{
    int in[2];

    ck_assert_int_eq(pipe(in), 0);
    ck_assert_int_eq(dup2(in[0], STDIN_FILENO), STDIN_FILENO);
    create(NULL, NULL);
    vcpus_resume(&machine->vcpus);
    ck_assert_int_eq(machine_pause(machine), 0);
    ck_assert_int_eq(terminal_open(&machine->terminal, &machine->loop, &machine->serial), 0);
    ck_assert_int_eq(write(in[1], "keys", 4), 4);
    loop_stop(&machine->loop);
    ck_assert_int_eq(loop_run(&machine->loop), 0);
    ck_assert_uint_eq(serial_input_room(&machine->serial), SERIAL_INPUT_BYTES - 4);
    ck_assert_int_eq(machine_resume(machine), 0);
    ck_assert_uint_eq(serial_input_room(&machine->serial), SERIAL_INPUT_BYTES - 4);
    (void)close(in[0]);
    (void)close(in[1]);
}
END_TEST

Suite *machine_suite(void);
Suite *machine_suite(void)
{
    threads_before = threads_at_first();
    Suite *suite = suite_create("machine");
    TCase *tc = tcase_create("life");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, ram_is_given_before_there_is_an_interrupt_controller);
    tcase_add_test(tc, windows_lie_behind_ram);
    tcase_add_loop_test(tc, device_is_behind_the_transport_that_it_names, 0, 4);
    tcase_add_test(tc, kvm_call_that_fails_is_one_line_or_does_not_matter);
    tcase_add_test(tc, kvm_that_cannot_be_opened_is_one_line);
    tcase_add_test(tc, serial_file_that_cannot_be_opened_is_one_line);
    tcase_add_test(tc, what_happened_is_written_when_the_guest_crashed);
    tcase_add_test(tc, threads_are_there_before_the_guest_runs);
    tcase_add_loop_test(tc, guest_ends_its_machine, 0, ARRAY_SIZE(ends));
    tcase_add_test(tc, last_message_of_a_command_is_heard);
    tcase_add_test(tc, signal_ends_a_machine_whose_guest_sleeps);
    tcase_add_test(tc, time_limit_leaves_registers);
    tcase_add_test(tc, console_that_nobody_reads_stops_nothing);
    tcase_add_test(tc, pause_and_resume_are_refused_where_they_are_done);
    tcase_add_test(tc, pause_that_fails_leaves_a_guest_that_runs);
    tcase_add_loop_test(tc, what_ends_a_machine_ends_a_paused_one, 0, ARRAY_SIZE(asks));
    tcase_add_test(tc, input_waits_while_the_machine_is_paused);
    suite_add_tcase(suite, tc);
    return suite;
}

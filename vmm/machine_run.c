/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A machine's life after it was built: run, pause, resume, end. See machine.h. Main thread, but
 * where it says so.
 */
#include "vmm/machine_inside.h"

#include "vmm/base/log.h"
#include "vmm/base/timebase.h"

#include <stdio.h>

/* -- ending -- */

/* Any thread; a vCPU's is not entered any more. */
static void machine_end(struct machine *machine, enum vm_end how)
{
    int running = VM_RUNNING;

    (void)atomic_compare_exchange_strong(&machine->end, &running, (int)how);
    vcpus_stop(&machine->vcpus);
    loop_stop(&machine->loop);
}

static void vcpu_ended(struct vcpu_env *env, enum vm_end how)
{
    machine_end(container_of(env, struct machine, vcpus), how);
}

/* On a vCPU's thread: the guest asked for its end. */
static void power_event(struct power *power, enum power_event event)
{
    static const enum vm_end ends[] = {
        [POWER_EVENT_OFF] = VM_POWEROFF,
        [POWER_EVENT_RESET] = VM_RESET,
        [POWER_EVENT_PANIC] = VM_PANICKED,
    };

    machine_end(container_of(power, struct machine, power), ends[event]);
}

/* On the console's thread. What it says when the guest runs no more is looked at by machine_run().
 */
static void console_said(struct console *console)
{
    struct machine *machine = container_of(console, struct machine, console);
    static const enum vm_end ends[] = {
        [ENDS_UNTIL] = VM_UNTIL,
        [ENDS_FAIL_ON] = VM_FAIL_ON,
        [ENDS_PANIC] = VM_PANICKED,
    };

    if (atomic_load(&machine->end) == VM_RUNNING)
        machine_end(machine, ends[machine->ends.verdict]);
}

static void watchdog_hungry(struct watchdog *watchdog)
{
    machine_end(container_of(watchdog, struct machine, watchdog), VM_WATCHDOG);
}

static void terminal_quit(struct terminal *terminal)
{
    machine_end(container_of(terminal, struct machine, terminal), VM_QUIT);
}

static void control_quit(struct control_vm *vm)
{
    machine_end(container_of(vm, struct machine, control_vm), VM_QUIT);
}

static void woken(struct wake *wake, bool by_signal)
{
    machine_end(container_of(wake, struct machine, wake), by_signal ? VM_SIGNAL : VM_TIME_LIMIT);
}

static void session_ended(struct session *session, enum vm_end how)
{
    machine_end(container_of(session, struct machine, session), how);
}

static bool signal_taken(struct wake *wake, int signal)
{
    return session_signal(&container_of(wake, struct machine, wake)->session, signal);
}

static void woken_for_report(struct wake *wake)
{
    struct machine *machine = container_of(wake, struct machine, wake);

    for (unsigned i = 0; i < machine->virtio_count; i++)
        if (isolate_runs(&machine->isolate[i]))
            isolate_report(&machine->isolate[i]);
        else
            virtio_report(machine->virtio[i]);
}

/* -- pause -- */

int machine_pause(struct machine *machine)
{
    if (machine->paused)
        return -EALREADY;
    vcpus_pause(&machine->vcpus);
    int r = arch_time_stop(&machine->vcpus, &machine->time);
    if (r < 0) {
        vcpus_resume(&machine->vcpus);
        return r;
    }
    machine->paused_at_ns = monotonic_ns();
    watchdog_pause(&machine->watchdog);
    for (unsigned i = 0; i < machine->virtio_count; i++)
        virtio_pause(machine->virtio[i]);
    machine->paused = true;
    return 0;
}

int machine_resume(struct machine *machine)
{
    if (!machine->paused)
        return -EALREADY;
    machine->paused = false;
    uint64_t paused_ns = monotonic_ns() - machine->paused_at_ns;
    for (unsigned i = 0; i < machine->virtio_count; i++)
        virtio_resume(machine->virtio[i], paused_ns);
    watchdog_resume(&machine->watchdog);
    int r = arch_time_resume(&machine->vcpus, &machine->time);
    vcpus_resume(&machine->vcpus);
    session_resumed(&machine->session);
    return r;
}

static int control_pause(struct control_vm *vm)
{
    return machine_pause(container_of(vm, struct machine, control_vm));
}

static int control_resume(struct control_vm *vm)
{
    return machine_resume(container_of(vm, struct machine, control_vm));
}

/* -- devices that are asked -- */

static const struct virtio_class *control_class_of(struct control_vm *vm, unsigned device)
{
    struct machine *machine = container_of(vm, struct machine, control_vm);
    const struct isolate *isolate = &machine->isolate[device];

    return isolate_runs(isolate) ? isolate->class : machine->virtio[device]->class;
}

static void control_command(struct control_vm *vm, unsigned device, struct virtio_command *command)
{
    struct machine *machine = container_of(vm, struct machine, control_vm);
    struct isolate *isolate = &machine->isolate[device];

    if (isolate_runs(isolate))
        isolate_link_command(&isolate->link, command);
    else
        virtio_command(machine->virtio[device], command);
}

/* -- running -- */

int machine_control(struct machine *machine)
{
    const struct opts *options = machine->config->options;
    struct control_vm *vm = &machine->control_vm;

    if (!opts_has(options, "control"))
        return 0;
    vm->timebase = &timebase_monotonic;
    vm->name = opts_str(options, "name");
    vm->cpus = machine->vcpus.count;
    vm->memory_bytes = opts_bytes(options, "mem");
    vm->device_count = machine->virtio_count;
    vm->devices = machine->virtio;
    return control_create(opts_str(options, "control"), &machine->loop, vm, &machine->control);
}

void machine_connect(struct machine *machine)
{
    machine->power.event = power_event;
    machine->watchdog.hungry = watchdog_hungry;
    machine->console.said = console_said;
    machine->console.ends = &machine->ends;
    machine->vcpus.end = vcpu_ended;
    machine->terminal.quit = terminal_quit;
    machine->wake.ended = woken;
    machine->session.end = session_ended;
    if (machine->run != NULL)
        machine->wake.taken = signal_taken;
    machine->wake.report = woken_for_report;
    machine->control_vm.class_of = control_class_of;
    machine->control_vm.command = control_command;
    machine->control_vm.quit = control_quit;
    machine->control_vm.pause = control_pause;
    machine->control_vm.resume = control_resume;
}

/* A guest that hangs shall leave a trace: where each vCPU was. */
static void tell_hang(struct machine *machine, const char *what)
{
    (void)log_error(0, "%s; the registers of the vCPUs follow", what);
    for (unsigned i = 0; i < machine->vcpus.count; i++)
        arch_vcpu_dump(&machine->vcpus.vcpu[i]);
}

/* How it ended, if the guest's last words are taken into account: the console's thread has ended.
 */
static enum vm_end end_with_words(const struct machine *machine, enum vm_end how)
{
    const struct ends *ends = &machine->ends;
    bool by_guest = how == VM_POWEROFF || how == VM_RESET || how == VM_UNTIL;

    if (ends->panicked && (how == VM_RESET || how == VM_TIME_LIMIT))
        return VM_PANICKED;
    if (how == VM_FAIL_ON || (by_guest && ends->verdict == ENDS_FAIL_ON)) {
        (void)log_error(0, "--fail-on: the guest's console says: %s", ends->text);
        return VM_FAIL_ON;
    }
    if (by_guest && ends->verdict == ENDS_UNTIL)
        return VM_UNTIL;
    if (how != VM_POWEROFF || !ends->until.set)
        return how;
    (void)log_error(0, "--until: the guest powered off and its console never said that");
    return VM_FAIL_ON;
}

enum vm_end machine_run(struct machine *machine, int *ret_signal)
{
    int r = 0;

    if (opts_choice(machine->config->options, "serial") == CONFIG_SERIAL_STDIO)
        r = terminal_open(&machine->terminal, &machine->loop, &machine->serial);
    if (r == 0) {
        machine->began_ns = monotonic_ns();
        vcpus_resume(&machine->vcpus);
        r = loop_run(&machine->loop);
    }
    if (r < 0)
        machine_end(machine, VM_HOST_ERROR);
    vcpus_join(&machine->vcpus);
    console_stop(&machine->console);
    terminal_close(&machine->terminal);
    enum vm_end how = end_with_words(machine, (enum vm_end)atomic_load(&machine->end));
    if (how == VM_TIME_LIMIT)
        tell_hang(machine, "--time-limit is up");
    if (how == VM_WATCHDOG)
        tell_hang(machine, "the guest does not feed its watchdog any more");
    *ret_signal = machine->wake.signal;
    return how;
}

int machine_command_status(const struct machine *machine, enum vm_end how)
{
    return session_status(&machine->session, how);
}

void machine_tell_end(struct machine *machine, int exit_status)
{
    control_end(machine->control, exit_status, log_first_error());
}

/* What the console was to say, and not to say. */
static void record_words(const struct machine *machine, struct record *record)
{
    static const char *const option[] = {"until", "fail-on"};
    const bool passed[] = {machine->ends.verdict == ENDS_UNTIL,
                           machine->ends.verdict != ENDS_FAIL_ON};
    const char *why[] = {"the console never said that", machine->ends.text};
    int end = atomic_load(&machine->end);
    bool until_counts = end != VM_COMMAND && end != VM_QUIT; /* neither waits for it */

    for (size_t i = 0; i < ARRAY_SIZE(option); i++) {
        const char *regex = opts_str(machine->config->options, option[i]);
        auto_free char *what = NULL;
        if (regex == NULL || (i == 0 && !passed[i] && !until_counts))
            continue;
        if (asprintf(&what, "%s %s", option[i], regex) < 0)
            what = NULL;
        results_expect(&record->results, "console", what != NULL ? what : regex, passed[i], why[i]);
    }
}

void machine_record(struct machine *machine, struct record *record)
{
    bool ended = atomic_load(&machine->end) != VM_RUNNING;

    results_fini(&record->results);
    for (unsigned i = 0; i < machine->virtio_count; i++) {
        struct isolate_link *link = &machine->isolate[i].link;
        isolate_link_read(link); /* of most there is none */
        results_append(&record->results, &link->results);
        if (machine->virtio[i]->class->results != NULL)
            machine->virtio[i]->class->results(machine->virtio[i], &record->results);
    }
    if (!ended)
        return;
    record_words(machine, record);
    record->stage_ns[RECORD_FIRST_INSTRUCTION] = machine->began_ns;
    record->stage_ns[RECORD_CONSOLE] = machine->console.first_ns;
    record->stage_ns[RECORD_INIT] = machine->session.hello_ns;
    record->stage_ns[RECORD_COMMAND] = machine->session.started_ns;
    for (unsigned i = 0; i < machine->vcpus.count; i++)
        record->exits += machine->vcpus.vcpu[i].exits;
    if (record_wanted(machine->config))
        record->console = console_copy(&machine->console, &record->console_len);
    if (machine->ends.panicked)
        (void)snprintf(record->panic, sizeof(record->panic), "%.255s", machine->ends.text);
}

/* After its ports: what the guest sent before its end is in them. */
static void finish_session(struct machine *machine, enum vm_end how)
{
    if (!session_stop(&machine->session, how) && how != VM_SIGNAL &&
        opts_choice(machine->config->options, "serial") == CONFIG_SERIAL_KEEP)
        console_tell_tail(&machine->console);
}

int machine_finish(struct machine *machine, enum vm_end how)
{
    int written = witness_end(&machine->witness); /* the driver is gone */
    int result = 0;

    for (unsigned i = 0; i < machine->virtio_count; i++) {
        int r = virtio_finish(machine->virtio[i]);
        if (r == 0)
            r = isolate_end(&machine->isolate[i], ISOLATE_MS_MAX);
        if (r < 0 && (result == 0 || result == -EPROTO)) /* a lost recording outweighs a verdict */
            result = r;
    }
    finish_session(machine, how);
    return result == 0 ? written : result;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A whole VM: built in boot order, run until it ends, torn down in reverse. Owns everything: KVM,
 * RAM, buses, devices, vCPUs, terminal. Main thread throughout; see vcpu.h and virtio/device.h for
 * the other threads.
 */
#pragma once

#include "vmm/config/config.h"
#include "vmm/record.h"
#include "vmm/run/run.h"
#include "vmm/vcpu.h"

struct machine;

/* Kinds of devices that a configuration may have: from the table of virtio classes. Const. */
const struct config_device_kind *machine_device_kinds(void);

/* Makes the VM that config (borrowed for its life) describes, ready to run, or (`run`, borrowed as
 * well, not NULL) to run a command. Logged on failure, -EINVAL for what the user should have said
 * otherwise. */
int machine_create(const struct config *config, struct run *run, struct machine **ret_machine);

/* Runs until the guest, the user or the host ends it. For VM_SIGNAL, *ret_signal says which. */
enum vm_end machine_run(struct machine *machine, int *ret_signal);

/*
 * While it runs, from its loop: the guest stands still and keeps all it has. Each vCPU has
 * completed what it was at, then each device; guest time (clocks, counters) does not advance until
 * it is resumed: so its idea of the date is late then, which only a command's init puts right. Host
 * time does, and is what --time-limit and the RTC count. Keys wait in the serial port's buffer.
 * Whatever ends a running machine ends a paused one, too. 0; -EALREADY if it is paused already, or
 * is not; another -errno after a line: then the guest runs (where resuming failed, its time has
 * jumped).
 */
int machine_pause(struct machine *machine);
int machine_resume(struct machine *machine);

/* After machine_run(), which said how it ended: completes recordings, judges expectations, and
 * writes what is left of a command's output. 0; -EPROTO if an expectation failed, another -errno if
 * the host lost something; logged. */
int machine_finish(struct machine *machine, enum vm_end how);
/* After that: the exit status that a command's run has. */
int machine_command_status(const struct machine *machine, enum vm_end how);
/* Made, or after machine_finish(): fills what record.h says that this fills. */
void machine_record(struct machine *machine, struct record *record);
/* Tells clients of the control socket how it ended. */
void machine_tell_end(struct machine *machine, int exit_status);

/* Accepts NULL and what a failed create left. */
void machine_destroy(struct machine *machine);

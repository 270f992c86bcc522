/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * x86 vCPUs: first registers (Documentation/arch/x86/boot.rst "64-bit boot protocol", xen's PVH),
 * port I/O exits, and what to show of a vCPU that crashed.
 */
#include "vmm/vcpu.h"

#include "arch/arch.h"
#include "arch/x86_64/cpuid.h"
#include "arch/x86_64/layout.h"
#include "vmm/base/log.h"

#include <stdio.h>
#include <string.h>

#define CR0_PE   (1u << 0)
#define CR0_ET   (1u << 4)
#define CR0_NE   (1u << 5)
#define CR0_PG   (1u << 31)
#define CR4_PAE  (1u << 5)
#define EFER_LME (1u << 8)
#define EFER_LMA (1u << 10)

#define RFLAGS_FIXED 0x2

#define MSR_IA32_MISC_ENABLE    0x1a0
#define MISC_ENABLE_FAST_STRING 0x1
#define MSR_MTRR_DEF_TYPE       0x2ff
#define MTRR_ENABLED_WRITE_BACK 0x806 /* all memory; without the fixed ones for the low MiB */

static struct kvm_segment segment_flat(uint16_t selector, uint8_t type, bool code64)
{
    return (struct kvm_segment){
        .base = 0,
        .limit = 0xffffffff,
        .selector = selector,
        .type = type,
        .present = 1,
        .s = 1,
        .db = !code64,
        .l = code64,
        .g = 1,
    };
}

static void sregs_flat(struct kvm_sregs *sregs, bool code64)
{
    struct kvm_segment data = segment_flat(LAYOUT_GDT_DATA, 0x3 /* read, write, accessed */, false);

    sregs->cs = segment_flat(LAYOUT_GDT_CODE64, 0xb /* execute, read, accessed */, code64);
    sregs->ds = sregs->es = sregs->fs = sregs->gs = sregs->ss = data;
    sregs->gdt.base = LAYOUT_GDT;
    sregs->gdt.limit = LAYOUT_GDT_BYTES - 1;
    sregs->idt.base = 0;
    sregs->idt.limit = 0;
    sregs->cr0 = CR0_PE | CR0_ET | CR0_NE;
    if (code64) {
        sregs->cr0 |= CR0_PG;
        sregs->cr3 = LAYOUT_PAGE_TABLES;
        sregs->cr4 = CR4_PAE;
        sregs->efer = EFER_LME | EFER_LMA;
    }
}

static int vcpu_enter_at(struct vcpu *vcpu, const struct arch_entry *entry)
{
    struct kvm_sregs sregs;
    struct kvm_regs regs = {.rflags = RFLAGS_FIXED, .rip = entry->pc};

    int r = kvm_ioctl(vcpu->fd, KVM_GET_SREGS, &sregs);
    if (r < 0)
        return log_error(r, "KVM_GET_SREGS");
    sregs_flat(&sregs, entry->kind == ENTRY_LINUX64);
    r = kvm_ioctl(vcpu->fd, KVM_SET_SREGS, &sregs);
    if (r < 0)
        return log_error(r, "KVM_SET_SREGS");
    if (entry->kind == ENTRY_LINUX64)
        regs.rsi = entry->arg;
    else
        regs.rbx = entry->arg;
    r = kvm_ioctl(vcpu->fd, KVM_SET_REGS, &regs);
    return r < 0 ? log_error(r, "KVM_SET_REGS") : 0;
}

/* What firmware leaves behind. Either MSR may be unknown to this host: then it does not matter. */
static void vcpu_set_msrs(struct vcpu *vcpu)
{
    const struct kvm_msr_entry entries[] = {
        {.index = MSR_IA32_MISC_ENABLE, .data = MISC_ENABLE_FAST_STRING},
        {.index = MSR_MTRR_DEF_TYPE, .data = MTRR_ENABLED_WRITE_BACK},
    };

    for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
        /* A header, then the entries: a flexible array of one. */
        union {
            struct kvm_msrs msrs;
            uint8_t bytes[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
        } set = {.msrs.nmsrs = 1};
        memcpy(set.bytes + sizeof(set.msrs), &entries[i], sizeof(entries[i]));
        if (kvm_ioctl(vcpu->fd, KVM_SET_MSRS, &set) != 1)
            log_debug("vCPU %u: MSR 0x%x not set", vcpu->index, entries[i].index);
    }
}

int arch_vcpu_init(struct vcpu *vcpu, unsigned cpu_count, const struct arch_entry *entry)
{
    int r = cpuid_set(vcpu->env->kvm, vcpu->fd, vcpu->index, cpu_count);

    if (r < 0)
        return r;
    vcpu_set_msrs(vcpu);
    return vcpu->index == 0 ? vcpu_enter_at(vcpu, entry) : 0; /* others wait for INIT and SIPI */
}

static void exit_io(struct vcpu *vcpu)
{
    const struct kvm_run *run = vcpu->run;
    uint8_t *data = (uint8_t *)vcpu->run + run->io.data_offset;

    for (uint32_t i = 0; i < run->io.count; i++, data += run->io.size) {
        if (run->io.direction == KVM_EXIT_IO_OUT)
            (void)bus_write(vcpu->env->pio, run->io.port, data, run->io.size);
        else
            (void)bus_read(vcpu->env->pio, run->io.port, data, run->io.size);
    }
}

bool arch_vcpu_exit(struct vcpu *vcpu)
{
    if (vcpu->run->exit_reason != KVM_EXIT_IO)
        return false;
    exit_io(vcpu);
    return true;
}

/* The bytes at the instruction pointer, as far as they can be reached. */
static void dump_code(struct vcpu *vcpu, uint64_t rip)
{
    struct kvm_translation translation = {.linear_address = rip};
    char text[3 * 16 + 1] = "";

    if (kvm_ioctl(vcpu->fd, KVM_TRANSLATE, &translation) < 0 || !translation.valid) {
        (void)log_error(0, "code: address 0x%llx is not mapped", (unsigned long long)rip);
        return;
    }
    for (size_t i = 0; i < 16; i++) {
        uint8_t byte;
        if (memory_read(vcpu->env->mem, translation.physical_address + i, &byte, 1) < 0)
            break;
        (void)snprintf(text + 3 * i, 4, " %02x", byte);
    }
    (void)log_error(0, "code:%s", text[0] != '\0' ? text : " outside guest RAM");
}

void arch_vcpu_dump(struct vcpu *vcpu)
{
    struct kvm_regs r;
    struct kvm_sregs s;

    if (kvm_ioctl(vcpu->fd, KVM_GET_REGS, &r) < 0 || kvm_ioctl(vcpu->fd, KVM_GET_SREGS, &s) < 0) {
        (void)log_error(0, "vCPU %u: registers cannot be read", vcpu->index);
        return;
    }
#define REG(field) (unsigned long long)(r.field)
    (void)log_error(0, "rip=%016llx rsp=%016llx rflags=%08llx", REG(rip), REG(rsp), REG(rflags));
    (void)log_error(0, "rax=%016llx rbx=%016llx rcx=%016llx rdx=%016llx", REG(rax), REG(rbx),
                    REG(rcx), REG(rdx));
    (void)log_error(0, "rsi=%016llx rdi=%016llx rbp=%016llx r8 =%016llx", REG(rsi), REG(rdi),
                    REG(rbp), REG(r8));
    (void)log_error(0, "r9 =%016llx r10=%016llx r11=%016llx r12=%016llx", REG(r9), REG(r10),
                    REG(r11), REG(r12));
    (void)log_error(0, "r13=%016llx r14=%016llx r15=%016llx", REG(r13), REG(r14), REG(r15));
#undef REG
    (void)log_error(0, "cr0=%llx cr2=%llx cr3=%llx cr4=%llx efer=%llx cs=%04x base=%llx",
                    (unsigned long long)s.cr0, (unsigned long long)s.cr2, (unsigned long long)s.cr3,
                    (unsigned long long)s.cr4, (unsigned long long)s.efer, s.cs.selector,
                    (unsigned long long)s.cs.base);
    dump_code(vcpu, s.cs.l ? r.rip : s.cs.base + r.rip);
}

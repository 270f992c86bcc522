/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arm64 vCPUs (Documentation/virt/kvm/api.rst): features, first registers
 * (Documentation/arch/arm64/booting.rst) and what to show of a vCPU that crashed. Power, reset and
 * the start of the other CPUs are PSCI's, which KVM answers itself.
 */
#include "vmm/vcpu.h"

#include "arch/arch.h"
#include "vmm/base/log.h"

#include <stdio.h>
#include <string.h>

/* Ids of registers for KVM_GET_ONE_REG and its twin. */
#define REG_CORE(field)                                                                            \
    (KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | KVM_REG_ARM_CORE_REG(regs.field))
#define REG_X(n) (REG_CORE(regs[0]) + 2 * (uint64_t)(n)) /* counted in words of 32 bits */
#define REG_ELR_EL1                                                                                \
    (KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | KVM_REG_ARM_CORE_REG(elr_el1))

static int reg_set(const struct vcpu *vcpu, uint64_t id, uint64_t value)
{
    struct kvm_one_reg reg = {.id = id, .addr = (uintptr_t)&value};

    return kvm_ioctl(vcpu->fd, KVM_SET_ONE_REG, &reg);
}

/* 0 if it cannot be read. */
static uint64_t reg_get(const struct vcpu *vcpu, uint64_t id)
{
    uint64_t value = 0;
    struct kvm_one_reg reg = {.id = id, .addr = (uintptr_t)&value};

    return kvm_ioctl(vcpu->fd, KVM_GET_ONE_REG, &reg) < 0 ? 0 : value;
}

/* -- start -- */

static void feature_set(struct kvm_vcpu_init *init, unsigned feature)
{
    init->features[feature / 32] |= 1u << feature % 32;
}

/* All that the host can give. */
static int vcpu_features(const struct vcpu *vcpu)
{
    const struct kvm *kvm = vcpu->env->kvm;
    bool sve = kvm_cap(kvm, KVM_CAP_ARM_SVE) > 0;
    int finalize = KVM_ARM_VCPU_SVE;
    struct kvm_vcpu_init init;

    int r = kvm_ioctl(kvm->vm_fd, KVM_ARM_PREFERRED_TARGET, &init);
    if (r < 0)
        return log_error(r, "KVM_ARM_PREFERRED_TARGET");
    memset(init.features, 0, sizeof(init.features));
    feature_set(&init, KVM_ARM_VCPU_PSCI_0_2);
    if (vcpu->index > 0)
        feature_set(&init, KVM_ARM_VCPU_POWER_OFF); /* until the guest asks for it */
    if (kvm_cap(kvm, KVM_CAP_ARM_PMU_V3) > 0)
        feature_set(&init, KVM_ARM_VCPU_PMU_V3);
    if (sve)
        feature_set(&init, KVM_ARM_VCPU_SVE);
    if (kvm_cap(kvm, KVM_CAP_ARM_PTRAUTH_ADDRESS) > 0 &&
        kvm_cap(kvm, KVM_CAP_ARM_PTRAUTH_GENERIC) > 0) {
        feature_set(&init, KVM_ARM_VCPU_PTRAUTH_ADDRESS);
        feature_set(&init, KVM_ARM_VCPU_PTRAUTH_GENERIC);
    }
    r = kvm_ioctl(vcpu->fd, KVM_ARM_VCPU_INIT, &init);
    if (r < 0)
        return log_error(r, "KVM_ARM_VCPU_INIT of vCPU %u", vcpu->index);
    r = sve ? kvm_ioctl(vcpu->fd, KVM_ARM_VCPU_FINALIZE, &finalize) : 0;
    return r < 0 ? log_error(r, "KVM_ARM_VCPU_FINALIZE of vCPU %u", vcpu->index) : 0;
}

int arch_vcpu_init(struct vcpu *vcpu, unsigned cpu_count, const struct arch_entry *entry)
{
    int r = vcpu_features(vcpu);

    (void)cpu_count;
    if (r < 0 || vcpu->index > 0)
        return r;
    /* KVM's reset state is the rest: EL1, MMU off, exceptions masked, x1 to x3 zero. */
    r = reg_set(vcpu, REG_CORE(pc), entry->pc);
    if (r == 0)
        r = reg_set(vcpu, REG_X(0), entry->arg);
    return r < 0 ? log_error(r, "registers of vCPU 0") : 0;
}

/* -- end -- */

/* Nobody answers at that address, as far as this instruction is concerned: the guest gets an
 * external abort, of which Linux kills the process, or says an Oops (KVM_SET_VCPU_EVENTS). */
bool arch_vcpu_exit(struct vcpu *vcpu)
{
    struct kvm_vcpu_events events = {.exception.ext_dabt_pending = 1};

    return vcpu->run->exit_reason == KVM_EXIT_ARM_NISV &&
           kvm_ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &events) == 0;
}

/* The word at pc, if the MMU is off or maps the kernel as Linux does at first: else it cannot be
 * known without walking the guest's tables. */
static void dump_code(const struct vcpu *vcpu, uint64_t pc)
{
    le32 word[4];
    char text[4 * 9 + 1] = "";

    if (memory_read(vcpu->env->mem, pc, word, sizeof(word)) < 0)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(word); i++)
        (void)snprintf(text + 9 * i, 10, " %08x", from_le32(word[i]));
    (void)log_error(0, "code:%s", text);
}

void arch_vcpu_dump(struct vcpu *vcpu)
{
    uint64_t pc = reg_get(vcpu, REG_CORE(pc));

    (void)log_error(0, "pc=%016llx sp=%016llx pstate=%08llx elr_el1=%016llx",
                    (unsigned long long)pc, (unsigned long long)reg_get(vcpu, REG_CORE(sp)),
                    (unsigned long long)reg_get(vcpu, REG_CORE(pstate)),
                    (unsigned long long)reg_get(vcpu, REG_ELR_EL1));
    for (unsigned n = 0; n < 31; n += 4) {
        char text[4 * 24 + 1] = "";
        for (unsigned i = n; i < MIN(n + 4, 31u); i++)
            (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%sx%u=%016llx",
                           i > n ? " " : "", i, (unsigned long long)reg_get(vcpu, REG_X(i)));
        (void)log_error(0, "%s", text);
    }
    dump_code(vcpu, pc);
}

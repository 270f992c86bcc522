/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * CPUID for a vCPU (Intel SDM vol. 2 CPUID, AMD APM vol. 3 appendix E): what KVM supports on this
 * host, with identity and topology of our own: one package of `cpu_count` cores, a thread each,
 * APIC id = vCPU index. Main thread.
 */
#include "arch/x86_64/cpuid.h"

#include "vmm/base/log.h"

#define ENTRIES_MAX 256

#define LEAF1_ECX_TSC_DEADLINE (1u << 24)
#define LEAF1_ECX_HYPERVISOR   (1u << 31)
#define LEAF1_EDX_HTT          (1u << 28)
#define LEAF6_ECX_EPB          (1u << 3)

#define VENDOR_INTEL_EBX 0x756e6547 /* "Genu" of "GenuineIntel" */

struct topology {
    bool intel;
    uint32_t apic_id;
    uint32_t cpu_count;
    uint32_t id_bits; /* APIC id bits that tell cores apart */
};

static void leaf_1(const struct topology *topo, bool tsc_deadline, struct kvm_cpuid_entry2 *leaf)
{
    leaf->ebx = (leaf->ebx & 0xffff) | topo->cpu_count << 16 | topo->apic_id << 24;
    leaf->ecx |= LEAF1_ECX_HYPERVISOR;
    if (tsc_deadline) /* older hosts tell it by the capability only */
        leaf->ecx |= LEAF1_ECX_TSC_DEADLINE;
    if (topo->cpu_count > 1)
        leaf->edx |= LEAF1_EDX_HTT;
    else
        leaf->edx &= ~LEAF1_EDX_HTT;
}

/* Caches (Intel 4, AMD 0x8000001d): level 3 is shared by all, the others are a core's own. */
static void leaf_cache(const struct topology *topo, bool amd, struct kvm_cpuid_entry2 *leaf)
{
    uint32_t level = leaf->eax >> 5 & 7;
    uint32_t sharing = level >= 3 ? (1u << topo->id_bits) - 1 : 0;

    if ((leaf->eax & 0x1f) == 0)
        return; /* no more caches */
    leaf->eax = (leaf->eax & 0x3fff) | sharing << 14;
    if (!amd)
        leaf->eax |= ((1u << topo->id_bits) - 1) << 26;
}

/* Extended topology (0xb, 0x1f): level 1 the thread, level 2 the core, then the end. */
static void leaf_topology(const struct topology *topo, struct kvm_cpuid_entry2 *leaf)
{
    leaf->eax = leaf->ebx = 0;
    leaf->ecx = leaf->index & 0xff;
    leaf->edx = topo->apic_id;
    if (leaf->index == 0) {
        leaf->ebx = 1;
        leaf->ecx |= 1 << 8; /* SMT */
    } else if (leaf->index == 1) {
        leaf->eax = topo->id_bits;
        leaf->ebx = topo->cpu_count;
        leaf->ecx |= 2 << 8; /* core */
    }
}

static void leaf_adjust(const struct topology *topo, bool tsc_deadline,
                        struct kvm_cpuid_entry2 *leaf)
{
    switch (leaf->function) {
    case 1:
        leaf_1(topo, tsc_deadline, leaf);
        break;
    case 4:
        leaf_cache(topo, false, leaf);
        break;
    case 6: /* no energy-performance bias MSR in a guest */
        leaf->ecx &= ~LEAF6_ECX_EPB;
        break;
    case 0xb:
    case 0x1f:
        leaf_topology(topo, leaf);
        break;
    case 0x80000008: /* AMD: number of cores, and how many APIC id bits they take */
        if (!topo->intel)
            leaf->ecx = (leaf->ecx & ~0xf0ffu) | (topo->cpu_count - 1) | topo->id_bits << 12;
        break;
    case 0x8000001d:
        leaf_cache(topo, true, leaf);
        break;
    case 0x8000001e: /* AMD: APIC id, core id, one node */
        leaf->eax = topo->apic_id;
        leaf->ebx = topo->apic_id & 0xff;
        leaf->ecx = 0;
        break;
    default:
        break;
    }
}

/* KVM may report fewer subleaves of the topology leaf than we fill: adds the missing ones. */
static void topology_complete(struct kvm_cpuid2 *cpuid, uint32_t function)
{
    bool have[3] = {false, false, false};

    for (uint32_t i = 0; i < cpuid->nent; i++)
        if (cpuid->entries[i].function == function && cpuid->entries[i].index < 3)
            have[cpuid->entries[i].index] = true;
    for (uint32_t index = 1; have[0] && index < 3; index++)
        if (!have[index] && cpuid->nent < ENTRIES_MAX)
            cpuid->entries[cpuid->nent++] = (struct kvm_cpuid_entry2){
                .function = function,
                .index = index,
                .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
            };
}

int cpuid_set(const struct kvm *kvm, int vcpu_fd, unsigned index, unsigned cpu_count)
{
    struct topology topo = {.apic_id = index, .cpu_count = cpu_count};
    auto_free struct kvm_cpuid2 *cpuid =
        calloc(1, sizeof(*cpuid) + ENTRIES_MAX * sizeof(cpuid->entries[0]));

    if (cpuid == NULL)
        return log_error(-ENOMEM, "CPUID table");
    while (1u << topo.id_bits < cpu_count)
        topo.id_bits++;
    cpuid->nent = ENTRIES_MAX;
    int r = kvm_ioctl(kvm->fd, KVM_GET_SUPPORTED_CPUID, cpuid);
    if (r < 0)
        return log_error(r, "KVM_GET_SUPPORTED_CPUID");
    topo.intel = cpuid->nent > 0 && cpuid->entries[0].ebx == VENDOR_INTEL_EBX; /* leaf 0 is first */
    bool tsc_deadline = kvm_cap(kvm, KVM_CAP_TSC_DEADLINE_TIMER) > 0;
    topology_complete(cpuid, 0xb);
    topology_complete(cpuid, 0x1f);
    for (uint32_t i = 0; i < cpuid->nent; i++)
        leaf_adjust(&topo, tsc_deadline, &cpuid->entries[i]);
    r = kvm_ioctl(vcpu_fd, KVM_SET_CPUID2, cpuid);
    return r < 0 ? log_error(r, "KVM_SET_CPUID2 for vCPU %u", index) : 0;
}

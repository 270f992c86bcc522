# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Machines larger than the smallest, and one whose guest means harm.

# Some memory is above the hole below 4 GiB that x86_64 has; the kernel keeps a little of it for itself.
four_cpus() {
    local kib more=()
    [ "$arch" != x86_64 ] || more=(--mem 6G)
    boot 0 --cpus 4 "${more[@]}" --initrd "$made/$stock.boot" --append "$(job cpus)" "$guests/$stock/vmlinuz"
    done_job cpus
    grep -q '^cpus: 4' console
    [ "$arch" = x86_64 ] || return 0
    grep -q '^idle: acpi_idle' console || fail "the kernel has no idle driver"
    kib=$(sed -n 's/^MemTotal: *\([0-9]*\) kB.*/\1/p' console)
    ((kib > 5900 * 1024 && kib <= 6144 * 1024)) || fail "$kib KiB"
}

# Two CPUs that attack their devices, under a KVM that runs them on the CPU (tests/hostile).
hostile_guest() {
    LOGS=$PWD ROUNDS=500 "$top/tests/hostile/run.sh" 11 ||
        { cat hostile/11.log && fail "it did harm"; }
    cat hostile/11.log
}

# offline_times COUNT: interrupts move to another CPU while their pin is masked: none is lost.
offline_times() {
    boot 0 --cpus 2 --rng --initrd "$made/$stock.boot" --append "$(job offline "$1")" \
        "$guests/$stock/vmlinuz"
    done_job offline
}
offline_cpus() { offline_times 20; }
offline_cpus_long() { offline_times 400; }

# The time is right and the kernel's random numbers are seeded as init begins: by what linnet hands over,
# since the CPU's are not to be trusted here. And that the guest ends without what is wanted of it is a failure.
first_moments() {
    local before after now
    before=$(date +%s)
    boot 38 --until 'never said' --initrd "$made/$stock.boot" --append "random.trust_cpu=off $(job clock)" \
        "$guests/$stock/vmlinuz"
    after=$(date +%s)
    done_job clock
    now=$(sed -n 's/^clock: \([0-9]*\).*/\1/p' console)
    ((now >= before - 1 && now <= after + 1)) || fail "it is $now there, and $before to $after here"
}

boot_case counting first-moments first_moments
# For the memory; elsewhere a machine less has to come up.
if [ "$arch" = x86_64 ]; then
    boot_case smp four-cpus four_cpus
else
    boot_case counting four-cpus four_cpus
fi
boot_case smp offline offline_cpus
soak_case smp offline-long offline_cpus_long
boot_case smp hostile hostile_guest x86_64

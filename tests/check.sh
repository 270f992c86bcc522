#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# `make check`: set-up, builds, then all tests: lint, unit tests plain and under sanitizers, fuzz
# corpora, bad input, a hostile guest, stock kernels. A line a test, logs under build/check/, skips
# and failures once more at the end, then the counts.
#
# What needs these builds runs as stages, as many at once as there are processors, longest first; what needs
# others begins with them.
. "$(dirname "$0")/lib.sh"
cd "$top" || exit 1
results=$logs/results

# Suites in which threads meet: what ThreadSanitizer is for.
threaded=(backend backend_rings blk blk_write bus console control_clients control_socket ctl_host device ear host_alsa irq listener log loop
    machine mail mmio_queue net net_rx pause ports queue queue_events ring serial snd storm terminal thread transfer
    vcpu vsock vsock_credit vsock_host wake)
# What another architecture may do otherwise: its own code, byte layouts, signedness of char, atomics.
arch_dependent=(arm64_boot arm64_image arm64_irqchip arm64_probe arm64_table arm64_time
    arm64_vcpu control device format kernel_cache loop memory mmio opts opts_value queue
    queue_events storm text tree)

# stage NAME COMMAND...: its result lines are kept; one that says nothing, or fails without saying
# so, is a failure.
stage() {
    local name=$1 log=$logs/$1.log part=$logs/$1.results start=$SECONDS status
    shift
    "$@" 2>"$log" | grep --line-buffered -E '^(ok|FAILED|SKIP) ' | tee "$part"
    status=${PIPESTATUS[0]}
    if [ ! -s "$part" ]; then
        failed "$name" "status $status and no result: $(last_line "$log"), see ${log#"$top"/}" | tee "$part"
    elif [ "$status" != 0 ] && ! grep -q '^FAILED ' "$part"; then
        failed "$name" "status $status: $(last_line "$log"), see ${log#"$top"/}" | tee -a "$part"
    fi
    echo "-- $name: $((SECONDS - start)) s"
}

# -- set-up --

deps() {
    run_case "deps${LABEL-}" tests/deps.sh all
    finish
}

# build VARIANT [TARGET...]
build() {
    run_case "build/$1${LABEL-}" make -j2 VARIANT="$1" WERROR=-Werror "${@:2}"
    finish
}

# The newest kernel, which Debian's archive may not give one day: that is told, and no reason to stop.
newest_kernel() {
    guests/fetch.sh 7-amd64 || exit 77
}

# The stock kernels; unit tests load them too.
kernels() {
    local kernel
    for kernel in 6.12-amd64 6.12-cloud-amd64 6.1-cloud-amd64; do
        run_case "guest/$kernel" guests/fetch.sh "$kernel"
    done
    run_case guest/7-amd64 newest_kernel
    finish
}

# other_arch COMMAND...: for arm64 on another host: cross-built, unit tests by QEMU's user emulation,
# guests in an emulated machine.
other_arch() {
    ARCH=arm64 arch=arm64 LABEL=-arm64 RUN=qemu-aarch64 CK_TIMEOUT_MULTIPLIER=20 "$@"
}

set_up() {
    local replayers
    mapfile -t replayers < <(printf '%s\n' tests/fuzz/*_fuzz.c |
        sed "s,tests/fuzz/\(.*\)_fuzz.c,build/$arch-asan/fuzz_\1,")
    stage deps deps
    [ -z "$with_arm64" ] || stage deps-arm64 other_arch deps
    # What waits for others or is one process, beside what has two compilers.
    [ "$arch" != x86_64 ] || stage kernels kernels &
    stage build-release build release all "build/$arch-release/"{unit,snd_load,queue_cost}
    wait
    stage boot-prepare tests/boot/run.sh --prepare &
    stage build-asan build asan all "build/$arch-asan/unit" "${replayers[@]}"
    wait
}

# -- the stages that follow --

# Each fuzz harness over the files of its corpus, under the sanitizers; recordings also made worse.
replay() {
    local source name more
    for source in tests/fuzz/*_fuzz.c; do
        name=$(basename "$source" _fuzz.c) more=()
        [ "$name" != session ] || more=(--mutants 8)
        run_case "fuzz/$name" "build/$arch-asan/fuzz_$name" "${more[@]}" "tests/fuzz/corpus/$name"
    done
    finish
}

# some_units VARIANT SUITE...
some_units() {
    local suite
    for suite in "${@:2}"; do
        grep -qx "SUITE($suite)" "build/$arch-$1/suites.h" || { failed "unit-$1/$suite" "no such suite" && return; }
    done
    tests/unit.sh "$@"
}

# went STAGE...: well.
went() {
    cd "$logs" && ! cat "${@/%/.results}" | grep -q '^FAILED '
}

with_tsan() {
    stage build-tsan build tsan all "build/$arch-tsan/unit"
    (went build-tsan) || return 0
    JOBS=2 stage unit-tsan some_units tsan "${threaded[@]}"
    VARIANT=tsan stage hostile-tsan tests/hostile/run.sh {11..13}
}

other_arch_too() {
    local part
    stage build-arm64 other_arch build release all build/arm64-release/unit
    stage boot-arm64-prepare other_arch tests/boot/run.sh --prepare
    (went build-arm64 boot-arm64-prepare) || return 0
    for part in $(other_arch tests/boot/run.sh --parts); do
        stage "boot-arm64.$part" other_arch tests/boot/run.sh --part "$part"
    done
    stage boot-arm64-judge other_arch tests/boot/run.sh --judge
    JOBS=2 stage unit-arm64 other_arch some_units release "${arch_dependent[@]}"
}

# In the order in which they begin.
stages() {
    tests/boot/run.sh --parts | sed 's/^/boot./'
    [ -z "$with_arm64" ] || echo arm64
    printf '%s\n' unit-asan tsan lint-tidy clang unit-release hostile lint device cli fuzz
}

run_stage() {
    case $1 in
    boot.*) stage "$1" tests/boot/run.sh --part "${1#*.}" ;;
    arm64) other_arch_too ;;
    unit-*) JOBS=2 stage "$1" tests/unit.sh "${1#unit-}" ;; # two suites at once: some wait
    tsan) with_tsan ;;
    clang) stage build-clang build clang all "build/$arch-clang/unit" ;;
    lint-tidy) stage "$1" tests/lint.sh tidy ;;
    lint) stage "$1" tests/lint.sh ;;
    hostile) stage "$1" tests/hostile/run.sh ;;
    cli) stage "$1" tests/cli/run.sh ;;
    device) stage "$1" tests/device/run.sh ;;
    fuzz) stage "$1" replay ;;
    esac
}

# -- the end --

# The ends of the logs that failures name, a few of them, and what is known of a rig that hung: where
# this runs they may be gone soon, and of what is printed here only the end may be left.
tails() {
    local log
    {
        find "$logs" -name rig-hung.log
        sed -n 's/^FAILED .*see \(build[^ ]*\).*/\1/p' "$results" | awk '!seen[$0]++' | head -n 6
    } | while read -r log; do
        echo "-- end of $log"
        tail -n 60 "$log" | cut -c 1-300
    done
}

# Counts, skips and failures; true if all is well.
report() {
    local passed not_passed skipped
    cat "$logs"/*.results >"$results"
    passed=$(awk '/^ok /{n += match($0, /: [0-9]+ checks$/) ? substr($0, RSTART + 2) : 1}
        END {print n + 0}' "$results")
    not_passed=$(grep -c '^FAILED ' "$results")
    skipped=$(grep -c '^SKIP ' "$results")
    echo
    grep -E '^SKIP ' "$results"
    echo "not run here, for \`make soak\`: $(tests/soak.sh --list | paste -sd ' ')"
    tails
    grep -E '^FAILED ' "$results"
    echo "$passed passed, $not_passed failed, $skipped skipped"
    [ "$not_passed" = 0 ] && [ "$passed" -gt 0 ]
}

with_arm64=
[ "$arch" != x86_64 ] || [ -n "${WITHOUT_ARM64-}" ] || with_arm64=yes
if [ "${1-}" = --stage ]; then
    run_stage "$2"
    exit
fi
rm -rf "$logs"
mkdir -p "$logs"
set_up
if [ "$arch" = x86_64 ] && [ -z "$with_arm64" ]; then
    stage arm64 echo "SKIP arm64: make check WITHOUT_ARM64=1"
fi
if ! grep -q '^FAILED ' "$logs"/*.results; then
    set -m # a process group of its own, which ends when this script is ended
    trap 'kill -TERM -- "-$!" 2>/dev/null' EXIT
    { stages | JOBS=1 xargs -n 1 -P "$(nproc)" "$0" --stage; } &
    wait $!
    trap - EXIT
    stage boot-judge tests/boot/run.sh --judge
fi
report

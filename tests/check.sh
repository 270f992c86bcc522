#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# `make check`: set-up, lint, builds, unit tests, fuzz corpora, bad input, stock kernels. A line a
# test, logs under build/check/, skips and failures once more at the end, then the counts.
. "$(dirname "$0")/lib.sh"
cd "$top" || exit 1

rm -rf "$logs"
mkdir -p "$logs"
results=$logs/results
suffix='' run=() # for another architecture: of names, and what runs its programs here
: >"$results"

# stage NAME COMMAND...: its result lines are kept; one that says nothing, or fails without saying
# so, is a failure.
stage() {
    local name=$1 log=$logs/$1.log part=$logs/$1.results start=$SECONDS status
    shift
    "$@" 2>"$log" | grep --line-buffered -E '^(ok|FAILED|SKIP) ' | tee "$part"
    status=${PIPESTATUS[0]}
    if [ ! -s "$part" ]; then
        failed "$name" "status $status and no result, see ${log#"$top"/}" | tee "$part"
    elif [ "$status" != 0 ] && ! grep -q '^FAILED ' "$part"; then
        failed "$name" "status $status, see ${log#"$top"/}" | tee -a "$part"
    fi
    cat "$part" >>"$results"
    echo "-- $name: $((SECONDS - start)) s"
}

# build VARIANT [TARGET...]
build() {
    run_case "build/$1$suffix" make -j2 VARIANT="$1" WERROR=-Werror "${@:2}"
    finish
}

# unit VARIANT: each suite in a process of its own, with Check's own counts. One needs sound cards:
# boot/alsa-cards runs it, in the rig.
unit() {
    local suite counts log status fork=yes
    [ "$1" = release ] || fork=no
    mkdir -p "$logs/unit-$1$suffix"
    while read -r suite; do
        [ "$suite" != alsa_card ] || continue
        log=$logs/unit-$1$suffix/$suite.log
        CK_FORK=$fork timeout 1800 "${run[@]}" "build/$arch-$1/unit" "$suite" >"$log" 2>&1
        status=$?
        counts=$(sed -n 's/^[0-9]*%: \(Checks: .*\)/\1/p' "$log" | tail -n 1)
        unit_result "unit-$1$suffix/$suite" "$status" "$counts" "$log"
        grep '^SKIP ' "$log" || true # what a test could not try on this machine
    done < <(sed -n 's/^SUITE(\(.*\))$/\1/p' "build/$arch-$1/suites.h")
    finish
}

# unit_result NAME STATUS COUNTS LOG
unit_result() {
    local checks failures_seen errors
    if ! read -r checks failures_seen errors < <(tr -cd '0-9 \n' <<<"$3"); then
        failed "$1" "ended with status $2 before its counts, see ${4#"$top"/}"
    elif [ "$2 $failures_seen $errors" != "0 0 0" ] || [ "$checks" = 0 ]; then
        failed "$1" "$3, status $2, see ${4#"$top"/}"
    else
        ok "$1: $checks checks"
    fi
}

# Each fuzz harness over the files of its corpus, under the sanitizers.
replay() {
    local source name
    for source in tests/fuzz/*_fuzz.c; do
        name=$(basename "$source" _fuzz.c)
        run_case "fuzz/$name" "build/$arch-asan/fuzz_$name" "tests/fuzz/corpus/$name"
    done
    finish
}

# The ends of the logs that failures name, a few of them, and what is known of a rig that hung: where
# this runs they may be gone soon.
tails() {
    local log
    {
        sed -n 's/^FAILED .*see \(build[^ ]*\).*/\1/p' "$results" | awk '!seen[$0]++' | head -n 6
        find "$logs" -name rig-hung.log
    } | while read -r log; do
        echo "-- end of $log"
        tail -n 150 "$log"
    done
}

# Counts, skips and failures; true if all is well.
report() {
    local passed not_passed skipped
    passed=$(awk '/^ok /{n += match($0, /: [0-9]+ checks$/) ? substr($0, RSTART + 2) : 1}
        END {print n + 0}' "$results")
    not_passed=$(grep -c '^FAILED ' "$results")
    skipped=$(grep -c '^SKIP ' "$results")
    echo
    tails
    grep -E '^SKIP ' "$results"
    grep -E '^FAILED ' "$results"
    echo "$passed passed, $not_passed failed, $skipped skipped"
    [ "$not_passed" = 0 ] && [ "$passed" -gt 0 ]
}

mapfile -t replayers < <(printf '%s\n' tests/fuzz/*_fuzz.c |
    sed "s,tests/fuzz/\(.*\)_fuzz.c,build/$arch-asan/fuzz_\1,")

deps() {
    run_case "deps$suffix" tests/deps.sh all
    finish
}

# For arm64 on another host: cross-built, unit tests by QEMU's user emulation, guests in an emulated
# machine. In a stage, and so in a shell of its own.
other_arch() {
    export ARCH=arm64 CK_TIMEOUT_MULTIPLIER=20 # emulated, all is slower
    arch=arm64
    suffix=-arm64 run=(qemu-aarch64)
    "$@"
}

arm64_tests() {
    stage boot-arm64 other_arch tests/boot/run.sh
    stage unit-arm64 other_arch unit release
}

# Starts arm64_tests, beside those of this machine's architecture, which seldom use a second CPU. In
# a process group of its own, which ends when this script is ended.
start_arm64() {
    stage deps-arm64 other_arch deps
    stage build-arm64 other_arch build release all build/arm64-release/unit
    if grep -q '^FAILED ' "$results"; then return; fi
    set -m
    arm64_tests &
    beside=$!
    set +m
    trap 'kill -TERM -- "-$beside" 2>/dev/null' EXIT
}

without_arm64() {
    echo "SKIP arm64: make check WITHOUT_ARM64=1"
}

# The stock kernels; unit tests load them too.
kernels() {
    local kernel
    for kernel in 6.12-amd64 6.12-cloud-amd64 6.1-cloud-amd64; do
        run_case "guest/$kernel" guests/fetch.sh "$kernel"
    done
    finish
}

stage deps deps
[ "$arch" != x86_64 ] || stage kernels kernels
stage build-release build release all "build/$arch-release/unit"
stage build-asan build asan all "build/$arch-asan/unit" "${replayers[@]}"
stage build-clang build clang all "build/$arch-clang/unit"
beside= # what runs at the same time
if ! grep -q '^FAILED ' "$results"; then
    case $arch${WITHOUT_ARM64:+-alone} in
    x86_64) start_arm64 ;;
    x86_64-alone) stage arm64 without_arm64 ;;
    esac
    stage lint tests/lint.sh
    stage unit-release unit release
    stage unit-asan unit asan
    stage fuzz replay
    stage cli tests/cli/run.sh
    stage boot tests/boot/run.sh
    [ -z "$beside" ] || wait "$beside"
fi
report

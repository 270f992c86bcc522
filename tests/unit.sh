#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Runs unit test suites, each in a process of its own, as many at once as there are processors (or
# JOBS): a result line a suite, with the number of checks that Check counted.
#
#   tests/unit.sh VARIANT [SUITE...]     all suites of build/$ARCH-VARIANT/unit, or those named
#
# Suites that drive a device's rings run twice, the second time with packed ones: NAME.packed.
#
# A check that cannot be made on this machine prints "SKIP NAME: WHY", and is not counted. The suite
# alsa_card needs sound cards: boot/alsa-cards runs it, in the rig. RUN is what runs programs of
# another architecture, LABEL what is put behind "unit-VARIANT".
. "$(dirname "$0")/lib.sh"
cd "$top" || exit 1
variant=$1
shift
theme=unit-$variant${LABEL-}
unit=build/$arch-$variant/unit
fork=yes # a process a check; not where a sanitizer is to see the end of the whole program
case $variant in release | clang) ;; *) fork=no ;; esac

# first_wrong LOG: a check of Check's, what a sanitizer sums up, or an assertion; else its last line.
first_wrong() {
    { grep -E -m 1 '^[^ ]+:[0-9]+:[FE]:|^SUMMARY: |runtime error: |: Assertion ' "$1" || tail -n 1 "$1"; } |
        tr -cd '[:print:]' | cut -c 1-300
}

# result SUITE STATUS LOG: what became of a suite.
result() {
    local counts checks failures_seen errors skips
    counts=$(sed -n 's/^[0-9]*%: Checks: \([0-9]*\), Failures: \([0-9]*\), Errors: \([0-9]*\)$/\1 \2 \3/p' \
        "$3" | tail -n 1)
    read -r checks failures_seen errors <<<"$counts"
    skips=$(grep -c '^SKIP ' "$3")
    if [ -z "$counts" ]; then
        failed "$theme/$1" "ended with status $2 before its counts: $(first_wrong "$3"), see ${3#"$top"/}"
    elif [ "$2 $failures_seen $errors" != "0 0 0" ] || [ "$checks" = 0 ]; then
        failed "$theme/$1" "$checks checks, $failures_seen failures, $errors errors, status $2: $(first_wrong "$3"), see ${3#"$top"/}"
    elif [ "$checks" -gt "$skips" ]; then
        ok "$theme/$1: $((checks - skips)) checks"
    fi
    grep '^SKIP ' "$3"
    return 0
}

# packed SUITE...: those that drive rings, and do not know both layouts by themselves.
packed() {
    local suite
    for suite; do
        # What a test is made from says so.
        grep -qs 'tests/fake_ring\.h' "build/$arch-$variant/tests/"*"/${suite}_test.d" \
            "build/$arch-$variant/tests/"*/*"/${suite}_test.d" \
            "build/$arch-$variant/tests/"*/*/*"/${suite}_test.d" || continue
        case $suite in queue | queue_bad | queue_packed | queue_random) ;; *) echo "$suite.packed" ;; esac
    done
}

# run_suite SUITE: its result lines at once, for others run beside it.
run_suite() {
    local log=$logs/$theme/$1.log status=0 lines
    # shellcheck disable=SC2046,SC2086 # the words of a command
    CK_FORK=$fork CK_TIMEOUT_MULTIPLIER=${CK_TIMEOUT_MULTIPLIER-10} timeout 1800 ${RUN-} "$unit" \
        $([ "$1" = "${1%.packed}" ] || echo --packed) "${1%.packed}" >"$log" 2>&1 || status=$?
    lines=$(result "$1" "$status" "$log")
    [ -z "$lines" ] || echo "$lines"
    ! grep -q '^FAILED ' <<<"$lines"
}

if [ "${1-}" = --one ]; then
    run_suite "$2"
    exit
fi
[ $# != 0 ] || mapfile -t < <(sed -n 's/^SUITE(\(.*\))$/\1/p' "build/$arch-$variant/suites.h" |
    grep -vx alsa_card)
[ $# != 0 ] || set -- "${MAPFILE[@]}"
mapfile -t < <(packed "$@")
set -- "$@" "${MAPFILE[@]}"
mkdir -p "$logs/$theme"
printf '%s\n' "$@" | xargs -n 1 -P "${JOBS:-$(nproc)}" "$0" "$variant" --one || failures=1
finish

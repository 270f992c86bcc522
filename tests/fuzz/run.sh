#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Runs fuzzers one after the other.
#
#   tests/fuzz/run.sh SECONDS NAME...
#
# New inputs are kept in build/fuzz/NAME/, those that crash as build/fuzz/NAME-crash-*. To keep a
# finding, add its input to tests/fuzz/corpus/NAME with the fix.
. "$(dirname "$0")/../lib.sh"
cd "$top" || exit 1
[ $# -ge 2 ] || { echo "usage: run.sh SECONDS NAME..." >&2 && exit 1; }
seconds=$1
shift

fuzz() {
    mkdir -p "build/fuzz/$1"
    # by itself it ends with 77, which says "skipped" here
    "build/$arch-fuzz/fuzz_$1" -error_exitcode=1 -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
        -artifact_prefix="build/fuzz/$1-" "build/fuzz/$1" "tests/fuzz/corpus/$1"
}

make -j2 VARIANT=fuzz "${@/#/build/$arch-fuzz/fuzz_}" || exit 1
for name; do
    run_case "fuzz/$name" fuzz "$name"
    grep 'DONE' "$logs/fuzz/$name.log"
done
finish

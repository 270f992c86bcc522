#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Checks the sources without running them: a result line for each kind of check on standard output,
# a line for each finding on standard error.
#
#   tests/lint.sh [CHECK...]      all checks but the longest, tidy, or those named (their list is at the
#                                 end); `make lint` runs tidy too
. "$(dirname "$0")/lib.sh"
cd "$top" || exit 1

file_lines_max=500
test_lines_max=800
function_lines_max=60
line_columns_max=100

# What is in the tree, committed or not yet.
files() {
    git ls-files -co --exclude-standard -- "$@" | sort | while read -r file; do
        [ ! -e "$file" ] || echo "$file"
    done
}
mapfile -t sources < <(files '*.[ch]')
mapfile -t units < <(files '*.c')
mapfile -t bash_scripts < <(files 'tests/*.sh' 'guests/*.sh' '.ci/*' ':!guests/jobs' | xargs awk 'FNR == 1 && /^#!/ { print FILENAME }')
mapfile -t guest_scripts < <(files 'guests/jobs/*.sh' guests/init tests/rig/init)

findings=0
finding() {
    echo "$*"
    findings=$((findings + 1))
}

no_findings() {
    [ "$findings" = 0 ] || fail "$findings findings"
}

# The layers, lowest first: a file includes its own layer and those before it. vmm/kvm.h and
# vmm/vcpu.h stand with arch/, whose hooks are called with a vCPU.
layer_of() {
    case $1 in
    vmm/base/*) echo 0 ;;
    vmm/config/*) echo 1 ;;
    virtio/*) echo 2 ;;
    devices/snd/base/* | devices/snd/lib/*) echo 3 ;;
    devices/snd/hear/*) echo 4 ;;
    devices/snd/host/*) echo 5 ;;
    devices/snd/pcm/*) echo 6 ;;
    devices/snd/mixer/*) echo 7 ;;
    devices/snd/*) echo 8 ;;
    devices/*) echo 9 ;;
    vmm/kvm.[ch] | vmm/vcpu.h | arch/*) echo 10 ;;
    vmm/control/*) echo 11 ;;
    vmm/*) echo 12 ;;
    tests/* | suites.h | guests/*) echo 13 ;;
    *) echo 14 ;;
    esac
}

layers() {
    local file line header layer circle headers
    for file in "${sources[@]}"; do
        layer=$(layer_of "$file")
        [ "$layer" -lt 14 ] || finding "$file:1: in a folder without a layer"
        while IFS=: read -r line header; do
            [ "$layer" -ge "$(layer_of "$header")" ] ||
                finding "$file:$line: includes $header, which is of a later layer"
        done < <(awk -F '"' '/^#include "/ { print FNR ":" $2 }' "$file")
    done
    mapfile -t headers < <(files '*.h')
    circle=$(awk -F '"' '/^#include "/ { print FILENAME, $2 }' "${headers[@]}" | tsort 2>&1 >/dev/null)
    [ -z "$circle" ] || finding "headers include each other in a circle: $circle"
    no_findings
}

# What machine it runs on is arch/'s business alone.
machines() {
    local file
    for file in "${sources[@]}"; do
        case $file in arch/*) continue ;; esac
        ! grep -HnE '__(x86_64|i386|aarch64|arm|riscv)[a-z0-9_]*' "$file" || findings=$((findings + 1))
    done
    no_findings
}

spdx() {
    local file
    for file in "${sources[@]}"; do
        [ "$(head -n 1 "$file")" = '/* SPDX-License-Identifier: BSD-3-Clause */' ] ||
            finding "$file:1: no SPDX line on top"
    done
    for file in "${bash_scripts[@]}" "${guest_scripts[@]}" Makefile; do
        head -n 2 "$file" | grep -q '^# SPDX-License-Identifier: BSD-3-Clause$' ||
            finding "$file:1: no SPDX line on top"
    done
    for file in tests/rust_vmm/*.rs; do
        [ "$(head -n 1 "$file")" = '// SPDX-License-Identifier: BSD-3-Clause' ] ||
            finding "$file:1: no SPDX line on top"
    done
    no_findings
}

sizes() {
    awk -v source_lines="$file_lines_max" -v test_lines="$test_lines_max" -v body="$function_lines_max" -v columns="$line_columns_max" '
    function finding(line, what) { print FILENAME ":" line ": " what; found = 1 }
    FNR == 1          { start = 0; lines = FILENAME ~ /^tests\// ? test_lines : source_lines }
                      { gsub(/[\200-\277]/, "") } # of each character one byte
    length > columns  { finding(FNR, length " columns, at most " columns) }
    FNR == lines + 1  { finding(FNR, "more than " lines " lines") }
    /^[{]/            { start = FNR }
    /^[}]/ && start   {
        if (FNR - start - 1 > body)
            finding(start, "function of " FNR - start - 1 " lines, at most " body)
        start = 0
    }
    END { exit found }' "${sources[@]}"
}

# What a header of the program declares the program calls, not tests alone; and not the file alone in
# which it is, unless tests do. (The compiler finds what is static.)
unused() {
    # shellcheck disable=SC2046 # names of files have no blanks
    awk '
    function finding(what) { print declared[name] ": " name "(): " what; found = 1 }
    /^ ?[*]|^[/][*]/   { next }
                       { gsub(/"([^"\\]|\\.)*"|[/][*].*[*][/]/, ""); n = split($0, words, /[^A-Za-z0-9_]+/) }
    FILENAME ~ /^tests/ { while (n > 0) tested[words[n--]]; next }
    FILENAME ~ /h$/ && /^[a-z][^=]*[(]/ && !/^static|^typedef|^extern/ {
        match($0, /[a-z0-9_]+[(]/)
        declared[substr($0, RSTART, RLENGTH - 1)] = FILENAME ":" FNR
    }
    FILENAME ~ /h$/    { while (n > 0) in_headers[words[n--]]++ }
    FILENAME ~ /c$/    {
        for (; n > 0; n--) {
            seen[words[n]]++
            files[words[n]] += last[words[n]] != FILENAME
            last[words[n]] = FILENAME
        }
    }
    END {
        seen["memory_write"]++ # the twin of memory_read()
        for (name in declared) {
            if (in_headers[name] > 1)
                continue
            if (seen[name] < 2)
                finding("nothing in the program calls it")
            else if (files[name] < 2 && !(name in tested))
                finding("can be static")
        }
        exit found
    }' $(files 'vmm/*.[ch]' 'virtio/*.[ch]' 'devices/*.[ch]' 'arch/*.[ch]' 'tests/*.[ch]')
}

# Each header compiled alone.
headers() {
    make -s -k -j2 headers 2>&1
}

format() {
    clang-format --dry-run -Werror "${sources[@]}" 2>&1 |
        sed -n 's/^\([^:]*:[0-9]*\):.*error:.*/\1: not as clang-format has it/p' | uniq
}

# Not its word on leaks: it knows no clean-up attribute (the analyzer and the sanitizers do). Not where
# it fails to parse a statement expression, nor that -1 is no descriptor for mmap.
cpp_check() {
    cppcheck --quiet -j 2 --std=c11 --enable=warning,performance,portability --inline-suppr \
        --error-exitcode=1 --suppress={missingInclude,memleak,resourceLeak,internalAstError} \
        --suppress=invalidFunctionArg --suppress=syntaxError:tests/vmm/run/run_file_test.c --suppress={readdir,strtok,getpwuid,getpwnam}Called --library=posix -I. \
        -D__x86_64__ -D_GNU_SOURCE \
        --template='{file}:{line}: {message} [{id}]' "${units[@]}" 2>&1
}

tidy() {
    make -s compile_commands.json
    # What this architecture's program is made of: the other's ioctls have no headers here.
    grep -o '"file":"[^"]*"' compile_commands.json | cut -d '"' -f 4 | grep -v "^tests/" |
        xargs -n 4 -P "${JOBS:-2}" clang-tidy -p . --quiet --warnings-as-errors='*' 2>/dev/null
}

shell() {
    # The jobs use what init sets; functions called by name only look unreachable.
    shellcheck -x -a -P SCRIPTDIR -f gcc -e SC2317 "${bash_scripts[@]}"
    shellcheck -S warning -f gcc -s sh -e SC2154,SC3043 "${guest_scripts[@]}"
}

# The README's options are the program's.
readme() {
    make -s && tests/readme.sh --check
}

# Every requirement is proved by a test, or said not to be offered.
matrix() {
    tests/matrix.sh --check
}

[ $# -gt 0 ] || set -- layers machines spdx sizes unused format shell readme matrix headers cpp_check
for check; do
    run_case "lint/$check" "$check"
    [ "$case_status" = 0 ] || cat "$logs/lint/$check.log" >&2
done
finish

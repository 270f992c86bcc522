#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The conformance matrix: each row of the specification that the project keeps track of, and the
# tests that prove it.
#
#   tests/matrix.sh [--check] [--spec DIR]
#
# Rows are listed in tests/spec/*.txt, one a line: "ID words", or "ID - words" for one that is not
# offered, with the reason. A test names the rows it proves in a comment right above it:
#
#   /* proves: VQ-S-07, VQ-S-09 */       in C, before START_TEST(...)
#   # proves: MMIO-35                    in a script, before its function
#
# Prints "ID: tests", "ID: open: words" or "ID: not offered: words" for each row, and the counts.
# --check prints what is wrong only, and fails if a row is open, if a test names a row that is not
# listed or not offered, if a comment stands before no test, or if a row is listed twice. --spec DIR takes the ids
# of the tables in DIR/NAME.md (rows "| ID | ...") and fails if tests/spec/NAME.txt lists others.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
cd "$top" || exit 1

check=no
spec=
while [ $# -gt 0 ]; do
    case $1 in
    --check) check=yes ;;
    --spec) spec=${2:?--spec wants a folder} && shift ;;
    *) echo "usage: matrix.sh [--check] [--spec DIR]" >&2 && exit 1 ;;
    esac
    shift
done

# "ID TEST" for each row that each test proves, "ID !FILE" if no test follows the comment.
# shellcheck disable=SC2016 # awk's own dollars
proofs() {
    git ls-files -co --exclude-standard -- 'tests/*_test.c' 'tests/*.sh' | grep -v matrix.sh |
        xargs awk '
        function orphans(  i) {
            for (i = 1; i <= count; i++)
                print ids[i], "!" file
            count = 0
        }
        FNR == 1 { orphans(); open = 0; file = FILENAME }
        /^(\/\*|#) proves: / { open = 1 }
        open {
            line = $0
            while (match(line, /[A-Z]+(-[A-Z]+)?-[0-9]+/)) {
                ids[++count] = substr(line, RSTART, RLENGTH)
                line = substr(line, RSTART + RLENGTH)
            }
            if ($0 ~ /\*\/|^#/)
                open = 0
            next
        }
        count && match($0, /^START_TEST\([a-z0-9_]+\)|^[a-z0-9_]+\(\) \{/) {
            name = substr($0, RSTART, RLENGTH)
            gsub(/START_TEST|[(){ ]/, "", name)
            for (i = 1; i <= count; i++)
                print ids[i], name
            count = 0
        }
        /^}/ { orphans() }
        END { orphans() }'
}

matrix() {
    awk -v check="$check" '
    FILENAME == "-" {
        if ($2 ~ /^!/)
            wrong[++wrongs] = substr($2, 2) ": " $1 ": no test follows this comment"
        else if (!($1 in words))
            wrong[++wrongs] = $2 ": proves " $1 ", which tests/spec does not list"
        else if ($1 in out)
            wrong[++wrongs] = $2 ": proves " $1 ", which is listed as not offered"
        else
            tests[$1] = tests[$1] (tests[$1] == "" ? "" : ", ") $2
        next
    }
    /^#|^$/ { next }
    {
        if ($1 in words)
            wrong[++wrongs] = FILENAME ":" FNR ": " $1 " is listed twice"
        id[++rows] = $1
        words[$1] = $0
        sub(/^[^ ]+ (- )?/, "", words[$1])
        if ($2 == "-")
            out[$1] = 1
    }
    END {
        for (i = 1; i <= rows; i++) {
            row = id[i]
            if (row in out) {
                state = "not offered: " words[row]
                outs++
            } else if (row in tests) {
                state = tests[row]
                proven++
            } else {
                state = "open: " words[row]
                opens++
                wrong[++wrongs] = "tests/spec: " row " is proved by no test: " words[row]
            }
            if (check == "no")
                print row ": " state
        }
        if (check == "no")
            printf "%d rows: %d proven, %d open, %d not offered\n", rows, proven, opens, outs
        for (i = 1; i <= wrongs; i++)
            print wrong[i] > "/dev/stderr"
        exit wrongs > 0
    }' tests/spec/*.txt -
}

# The ids listed in tests/spec/NAME.txt against those of the tables in DIR/NAME.md.
compare() {
    local list name differ=0
    for list in tests/spec/*.txt; do
        name=$(basename "$list" .txt)
        diff <(sed -n 's/^\([A-Z][A-Z-]*-[0-9]*\) .*/\1/p' "$list" | sort) \
            <(sed -n 's/^| *\([A-Z][A-Z-]*-[0-9]*\) *|.*/\1/p' "$spec/$name.md" | sort) |
            sed -n "s/^< /$name: not in the tables: /p; s/^> /$name: not listed: /p" | grep . && differ=1
    done
    return $differ
}

status=0
proofs | matrix || status=1
[ -z "$spec" ] || compare >&2 || status=1
exit $status

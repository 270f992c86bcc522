# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# For the test scripts to source. A test's result is one line on standard output:
#
#   ok NAME            ok NAME: N checks           FAILED NAME: WHY           SKIP NAME: WHY
#
# Details go to $logs/NAME.log. tests/check.sh counts these lines, wherever they come from.
set -u -o pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
host=$(uname -m)
host=${host/aarch64/arm64}
arch=${ARCH:-$host} # of linnet and its guests
logs=${LOGS:-$top/build/check}
# shellcheck disable=SC2034 # for those who source this
linnet=${LINNET:-$top/build/$arch-release/linnet}
failures=0
export XDG_CACHE_HOME=$top/build/cache # what is kept between runs is not the user's

ok() {
    echo "ok $*"
}

failed() {
    echo "FAILED $1: $2"
    failures=$((failures + 1))
}

skipped() {
    echo "SKIP $1: $2"
}

# For use in a case (see run_case): each ends it.
fail() {
    because "$*"
    exit 1
}

# because REASON: the first one is that of the case's FAILED line.
because() {
    echo "$*" >&2
    [ -z "${why-}" ] || [ -e "$why" ] || echo "$*" >"$why"
}

skip() {
    echo "$*"
    exit 77
}

# run_case NAME COMMAND...: one test in a shell of its own, where the first command that fails ends
# it. Its status is left in case_status.
run_case() {
    local name=$1 log=$logs/$1.log why=$logs/$1.why # where fail() says it
    shift
    # bash ignores "set -e" in all that runs inside a condition: tests called there would not end.
    (set -e; false; exit 2)
    [ $? = 1 ] || { echo "run_case $name: called in a condition" >&2 && exit 2; }
    mkdir -p "$(dirname "$log")"
    rm -f "$why"
    (
        set -eE
        export why
        trap 'tell_command $? $LINENO "$BASH_COMMAND"' ERR
        "$@"
    ) >"$log" 2>&1 </dev/null
    case_status=$?
    case $case_status in
    0) ok "$name" ;;
    77) skipped "$name" "$(last_line "$log")" ;;
    *)
        [ -e "$why" ] || tail -n 1 "$log" >"$why"
        failed "$name" "$(last_line "$why"), see ${log#"$top"/}"
        ;;
    esac
    rm -f "$why"
}

tell_command() {
    because "line $2: ${3%%$'\n'*}: status $1"
}

# last_line FILE: as much of it as a result may have.
last_line() {
    tail -n 1 "$1" | tr -cd '[:print:]' | cut -c 1-300
}

# The exit status of a script of tests.
finish() {
    [ "$failures" = 0 ] || exit 1
    exit 0
}

look_seconds=0.1 # apart, when waiting
# wait_for SECONDS COMMAND...: until it succeeds.
wait_for() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || fail "waited in vain for: $*"
        sleep "$look_seconds"
    done
}

# listens PORT...: somebody does at each, of TCP. (socat says so before it does.)
listens() {
    local port
    for port; do
        grep -q "$(printf ':%04X 0*:0000 0A' "$port")" /proc/net/tcp /proc/net/tcp6 || return 1
    done
}

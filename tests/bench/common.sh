# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# For the files of rows to source: where things are, and what a process has used.
# shellcheck source=../lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
set -e
here=$top/tests/bench
made=$top/build/bench
case $arch in
arm64) guest=$top/build/guests/6.12-arm64 cc=aarch64-linux-gnu-gcc ;;
*) guest=$top/build/guests/6.12-amd64 cc=gcc ;;
esac
[ "$arch" != "$host" ] || cc=gcc
mem=(--mem 256)

# What is looked at while something runs is read by the shell itself: a program comes from the host's
# files, and while the counting machine waits for those its clock leaps.

# threads_ns PID PATTERN: how long those of its threads whose name matches have run, in all.
threads_ns() {
    local task sum=0 name ns _
    for task in "/proc/$1"/task/*; do
        read -r name <"$task/comm"
        # shellcheck disable=SC2053 # a pattern
        [[ $name == $2 ]] || continue
        read -r ns _ <"$task/schedstat"
        sum=$((sum + ns))
    done
    echo "$sum"
}

# background OPTION...: runs linnet, its process id in $pid.
background() {
    "$linnet" run "${mem[@]}" "$@" "$guest/vmlinuz" </dev/null >console &
    pid=$!
}

end_background() {
    kill "$pid"
    wait "$pid" || true # of the signal
}

# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# linnet run -- CMD: what goes in and comes out, how it ends, what CMD sees and what is left.

# Of every machine here.
command_options=(--kernel-cache "dir:$made/kept")
[[ $stock != 7* ]] || command_options+=(--append "$words_7")

# runs STATUS OPTION... -- CMD...: standard input is that of this function, standard output and error
# are left in "console" and "errors". linnet itself must have nothing to say.
runs() {
    local want=$1 status=0
    shift
    echo "+ linnet run $*" | cut -c 1-300
    timeout --kill-after 5 "$boot_seconds_max" "$linnet" run "${command_options[@]}" "$@" \
        >console 2>errors || status=$?
    head -c 2000 errors
    [ "$status" = "$want" ] || fail "exit status $status, not $want"
}

silent() {
    [ ! -s errors ] || fail "standard error: $(head -n 1 errors)"
}

# says LINE: the one error that linnet has to tell; CMD may have said what it likes before.
says() {
    [ "$(grep '^linnet: error: ' errors)" = "linnet: error: $1" ] ||
        fail "not \"$1\", but: $(head -n 1 errors)"
}

kernel=$guests/$stock/vmlinuz

# One after the other: bytes each way, streams apart, the working directory, words of any bytes.
command_runs() {
    local bytes
    warm "$kernel"
    head -c 3000000 /dev/urandom >sent
    runs 3 --summary summary.json --junit junit.xml "$kernel" -- sh -c 'cat; uname -r >&2; exit 3' <sent
    cmp sent console
    [ "$(cat errors)" = "$(cat "$guests/$stock/version")" ] || fail "standard error is not CMD's"
    recorded command 3 1 0
    tr -d '\n' <summary.json | grep -q '"exec", *0.0.*"first-instruction".*"init".*"command".*"end"'

    bytes=$(printf '\001\002 \033"\\$`\n\177\200\377')
    echo here >file
    # shellcheck disable=SC2016 # the guest's
    runs 0 --env "A=b c" "$kernel" -- sh -c 'cat file; printf "%s|" "$A" "$@"; pwd; tty; echo new >file; cat file' \
        sh "$bytes" "" "a  b" </dev/null
    silent
    { echo here; printf '%s|' "b c" "$bytes" "" "a  b"; pwd; echo "not a tty"; echo new; } >wanted
    cmp wanted console
    [ "$(cat file)" = here ] || fail "the host's file was changed"
}

# What is linnet's and what is CMD's, of every way to end.
command_ends() {
    warm "$kernel"
    runs 127 "$kernel" -- ./absent </dev/null
    says "./absent: not found in the guest (127)"
    echo text >no-program && chmod 644 no-program
    runs 126 "$kernel" -- ./no-program </dev/null
    says "./no-program: cannot be run in the guest: Permission denied (126)"
    runs 139 "$kernel" -- sh -c 'kill -SEGV $$' </dev/null
    silent
    # The shell lives on without a file: the share ends before the machine does.
    # shellcheck disable=SC2016 # the guest's
    runs 125 "$kernel" -- \
        sh -c 'while :; do i=$((i + 1)); [ $i != 9 ] || echo o >/proc/sysrq-trigger; done' </dev/null
    says "the guest powered off before sh ended"
    mkfifo keys
    exec 3<>keys
    : >console
    (wait_for "$boot_seconds_max" grep -q 'last words' console && echo >&3) &
    # shellcheck disable=SC2016 # the guest's
    runs 34 "$kernel" -- sh -c 'echo last words; read -r key; echo c >/proc/sysrq-trigger' <keys
    wait $!
    says "the guest's kernel panicked before sh ended"
    [ "$(cat console)" = "last words" ] || fail "what was written before is lost"
    grep -q 'sysrq triggered crash' errors || fail "the console's last lines are not told"
}

# Readers that go, signals, a process that stays behind, output to a folder of the host.
command_lives() {
    local pid status=0 passed now began resumed ended
    warm "$kernel"
    { "$linnet" run "${command_options[@]}" "$kernel" -- yes </dev/null 2>errors || status=$?; } |
        head -n 1 >console
    [ "$(cat console)" = y ] || fail "no line of yes"
    silent

    mkdir out
    runs 0 --rw out:/mnt "$kernel" -- sh -c 'sleep 1000 & echo hello >/mnt/file; echo done' </dev/null
    [ "$(cat console)" = "done" ] || fail "not what CMD wrote"
    [ "$(cat out/file)" = hello ] || fail "--rw left no file"

    "$linnet" run "${command_options[@]}" "$kernel" -- \
        sh -c 'trap "echo got it; exit 9" TERM; echo ready; while :; do sleep 0.1; done' \
        </dev/null >console 2>errors &
    pid=$!
    wait_for "$boot_seconds_max" grep -q ready console
    kill -TERM "$pid"
    wait "$pid" || status=$?
    [ "$status" = 9 ] || fail "exit status $status, not 9"
    grep -q 'got it' console || fail "CMD got no SIGTERM"

    # As another user. Paused for a minute: no time has passed in the guest, and the date is right. What passes
    # between our line and its last one, without that minute, is no less than what the guest counts.
    mkfifo keys
    exec 3<>keys
    # shellcheck disable=SC2016 # the guest's
    "$linnet" run --control socket "${command_options[@]}" --rw out --user 65534:65534 "$kernel" -- \
        sh -c 'id -u; touch out/x 2>/dev/null || echo refused
               echo waits; read -r key; read -r up rest </proc/uptime
               echo ready; sleep 5; read -r now rest </proc/uptime
               echo $((${now%.*} - ${up%.*})) $(date +%s)' <keys >console 2>errors &
    pid=$!
    wait_for "$boot_seconds_max" grep -q waits console
    began=$SECONDS
    echo >&3
    wait_for "$boot_seconds_max" grep -q ready console
    "$linnet" control socket pause
    sleep 60
    resumed=$(date +%s)
    "$linnet" control socket resume
    wait "$pid"
    ended=$(date +%s)
    cat console
    echo "$((SECONDS - began)) s here; resumed at $resumed, ended at $ended"
    read -r passed now < <(tail -n 1 console)
    [ "$(head -n 2 console)" = "65534
refused" ] || fail "not user 65534"
    ((passed <= SECONDS - began - 60 + 2)) || fail "$passed s passed in the guest"
    ((now >= resumed - 1 && now <= ended + 1)) || fail "the guest's date is $now"
}

# CMD as a service of the systemd of the host's own root, with all that it has without.
command_systemd() {
    local systemd=/usr/lib/systemd/systemd boot_seconds_max=900
    [ -e "$systemd" ] || skip "no systemd in the root of this host"
    warm "$kernel" "$systemd"
    head -c 300000 /dev/urandom >sent
    # shellcheck disable=SC2016 # the guest's
    runs 3 --systemd --boot-limit 14m --env "A=b c" --cpus all "$kernel" -- sh -c '
        cat; { cat /proc/1/comm; systemctl is-active multi-user.target; echo "$A"; pwd
        cut -d / -f 2- /proc/self/cgroup; } >&2; exit 3' <sent
    cmp sent console
    printf '%s\n' systemd active "b c" "$PWD" system.slice/linnet-run.service >wanted
    diff wanted errors || fail "not a service of systemd"
}

boot_case counting command command_runs
soak_case counting command-systemd command_systemd x86_64
boot_case counting command-ends command_ends x86_64
boot_case counting command-lives command_lives x86_64

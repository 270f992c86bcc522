# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# How a guest ends is linnet's exit status. (Power-off is in every other case.)

# ends STATUS JOB [OPTION...]
ends() {
    local status=$1 what=$2
    shift 2
    boot "$status" --initrd "$made/$stock.boot" --append "$(job "$what")" "$@" \
        "$guests/$stock/vmlinuz"
    done_job "$what"
}

reboots() { ends 32 reboot; }
triple_fault() {
    ends 33 triple
    grep -qi 'rip' errors || fail "no registers were told"
}
panics() { ends 34 panic; }
# Without a driver for pvpanic a panic is what the kernel's last words say, whether it resets then or not.
panics_untold() {
    boot 34 --initrd "$made/$stock.boot" --append "panic=-1 $(job panic untold)" \
        "$guests/$stock/vmlinuz"
    done_job panic
    boot 34 --initrd "$made/$stock.boot" --append "$(job panic untold)" \
        --summary summary.json --junit junit.xml "$guests/$stock/vmlinuz"
    grep -q 'end Kernel panic' console
    recorded panic 34 1 0
    grep -q '"message": ".*Kernel panic - not syncing' summary.json
}
# recorded END STATUS FAILURES ERRORS: the files of --summary and --junit say that.
recorded() {
    local end
    cat summary.json junit.xml
    end=$(sed -n 's/^ "end": "\([a-z-]*\)",*$/\1/p' summary.json)
    [ "$end" = "$1" ] || fail "the summary says $end, not $1"
    grep -q "^ \"status\": $2,*$" summary.json || fail "the summary has another status than $2"
    # The arm64 rig can't run this host's xmllint; the same file is judged on x86_64.
    [ "$arch" != x86_64 ] || xmllint --noout --nonet --schema "$top/tests/junit.xsd" junit.xml
    grep -q "failures=\"$3\" errors=\"$4\"" junit.xml || fail "not $3 failures and $4 errors"
}

# What the console says ends the machine, as well or as badly as it was said to.
words() {
    local files=(--summary summary.json --junit junit.xml)
    ends 0 sleep --until '^linnet-job: sleep ok' "${files[@]}"
    recorded until 0 0 0
    tr -d '\n' <summary.json | grep -q '"exec", *0.0.*"first-instruction".*"console".*"end"'
    ends 38 sleep --fail-on 'job: [s]leep ok' "${files[@]}"
    recorded expectation 38 1 0
    grep -q 'linnet-job: sleep ok' junit.xml
    grep -q -e '--fail-on: .*linnet-job: sleep ok' errors
}
# A guest that feeds its watchdog lives, as one does that has closed it or stands still; then it starves.
watchdog() {
    local vm look_seconds=1 # each look takes the machine's time, and this is long
    warm "$made/$stock.sound" "$guests/$stock/vmlinuz"
    "$linnet" run --watchdog --control socket --summary summary.json --junit junit.xml \
        --initrd "$made/$stock.sound" --append "$(job watchdog)" "$guests/$stock/vmlinuz" \
        </dev/null >console 2>errors &
    vm=$!
    wait_for "$boot_seconds_max" grep -qE '^linnet-watchdog: fed|^linnet-job: ' console
    "$linnet" control socket pause
    sleep 100
    "$linnet" control socket resume
    ends_well "$vm" watchdog 36
    head -n 1 errors | grep -q "the guest does not feed its watchdog"
    [ "$(wc -l <errors)" -gt 1 ] || fail "no registers were told"
    recorded watchdog 36 1 0
}

# The time limit; and neither the guest nor its end waits for the reader of a pipe that is full.
time_limit() {
    local status=0
    warm "$made/$stock.boot" "$guests/$stock/vmlinuz"
    mkfifo out
    exec 3<>out
    head -c 65536 /dev/zero >&3
    "$linnet" run --cpus 2 --time-limit 30s --initrd "$made/$stock.boot" --append "$(job sleep)" \
        "$guests/$stock/vmlinuz" </dev/null >out 2>errors || status=$?
    exec 3>&-
    cat errors
    [ "$status" = 37 ] || fail "exit status $status, not 37"
    grep -q 'nobody read it, [0-9]* bytes are lost' errors
    [ "$(wc -l <errors)" -gt 3 ] || fail "no registers were told"
}

# Whoever sent the signal sees that linnet died of it.
terminated() {
    local status=0
    "$linnet" run --initrd "$made/$stock.boot" --append "$(job sleep)" "$guests/$stock/vmlinuz" \
        </dev/null >console &
    wait_for "$boot_seconds_max" grep -q '^linnet-job: sleep ok' console
    kill -TERM $!
    wait $! || status=$?
    [ "$status" = 143 ] || fail "exit status $status, not 128 + SIGTERM"
}

# On a terminal: Ctrl-C is the guest's, Ctrl-A x ends linnet, and the terminal is as before.
escape() {
    local command
    : >console
    mkfifo keys
    command=$(printf '%q ' "$linnet" run --initrd "$made/$stock.boot" --append "$(job sleep)" \
        "$guests/$stock/vmlinuz")
    timeout "$boot_seconds_max" script -qefc \
        "stty -g >before; $command; echo \$? >status; stty -g >after" console <keys >/dev/null &
    exec 3>keys
    wait_for "$boot_seconds_max" grep -q '^linnet-job: sleep ok' console
    printf '\003' >&3
    sleep 1
    [ ! -e status ] || fail "Ctrl-C ended linnet"
    printf '\001x' >&3
    wait_for "$boot_seconds_max" test -s status
    exec 3>&-
    wait
    cat console
    [ "$(cat status)" = 0 ] || fail "exit status $(cat status)"
    cmp before after
}

boot_case counting end-reboot reboots
boot_case counting end-triple-fault triple_fault x86_64
boot_case counting end-panic panics x86_64
boot_case counting end-panic-untold panics_untold
boot_case counting end-words words
boot_case smp end-time-limit time_limit
boot_case counting end-watchdog watchdog
boot_case counting end-signal terminated
boot_case counting end-escape escape

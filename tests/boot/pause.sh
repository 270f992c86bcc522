# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# A machine that stands still, and goes on.

paused_seconds=10

# run_paused CPUS KEYS JOB...: starts it beside us, with a control socket and a card with those keys, and
# pauses it in mid-job; sets vm.
run_paused() {
    warm "$made/$stock.sound" "$guests/$stock/vmlinuz"
    "$linnet" run --control socket --cpus "$1" --initrd "$made/$stock.sound" --append "$(job "${@:3}")" \
        --snd "host=file,path=tone.wav$2" "$guests/$stock/vmlinuz" </dev/null >console 2>errors &
    vm=$!
    wait_for "$boot_seconds_max" grep -qE '^linnet-pause: playing|^linnet-job: ' console
    cat console errors
    "$linnet" control socket pause
}

# pause_in_tone CPUS KEYS: not a frame is lost or doubled, no clock advances, and nobody in the guest is the wiser.
pause_in_tone() {
    local vm status=0 bytes
    run_paused "$1" "$2" pause "$paused_seconds"
    bytes=$(stat -c %s tone.wav)
    sleep "$paused_seconds"
    [ "$(stat -c %s tone.wav)" = "$bytes" ] || fail "it went on recording"
    ((bytes > 4000 && bytes < $(stat -c %s "$guests/tone.wav"))) || fail "not in mid-tone: $bytes bytes"
    ! "$linnet" control socket pause || fail "it was paused twice"
    "$linnet" control socket resume
    ! "$linnet" control socket resume || fail "it was resumed twice"
    wait "$vm" || status=$?
    cat console errors
    [ "$status" = 0 ] || fail "exit status $status"
    [ ! -s errors ] || fail "linnet had something to say"
    done_job pause
    "$linnet" listen --same-as "$guests/tone.wav" tone.wav
}

# What ends a machine ends one that stands still.
quit_while_paused() {
    local vm status=0
    run_paused 1 '' pause "$paused_seconds"
    "$linnet" control socket quit
    wait "$vm" || status=$?
    [ "$status" = 0 ] || fail "exit status $status"
    "$linnet" listen --expect freq=440,tol=5,gaps=0 tone.wav
}

pause_one_cpu() { pause_in_tone 1 ''; }
pause_two_cpus() { pause_in_tone 2 ,isolate; } # the card stands still in its own process

boot_case counting pause pause_one_cpu
boot_case smp pause-two-cpus pause_two_cpus
boot_case counting pause-quit quit_while_paused

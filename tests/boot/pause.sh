# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# A machine that stands still, and goes on.

paused_seconds=10

pause_says() {
    grep -qE "^linnet-pause: $1|^linnet-job: " console
}

# run_paused CPUS KEYS: starts it beside us, with a control socket and a card with those keys, and
# pauses it in mid-tone; sets vm, and when the guest began to look at its clocks.
run_paused() {
    warm "$made/$stock.sound" "$guests/$stock/vmlinuz"
    mkfifo keys
    exec 3<>keys
    "$linnet" run --control socket --cpus "$1" --initrd "$made/$stock.sound" --append "$(job pause)" \
        --snd "host=file,path=tone.wav$2" "$guests/$stock/vmlinuz" <keys >console 2>errors &
    vm=$!
    wait_for "$boot_seconds_max" pause_says ready
    began=$SECONDS
    echo >&3
    wait_for "$boot_seconds_max" pause_says playing
    "$linnet" control socket pause
    cat console errors
}

# no_longer_than SECONDS: the guest says so, by either clock.
no_longer_than() {
    local realtime uptime
    read -r realtime uptime < <(sed -n 's/^linnet-pause: took //p' console | tr -dc '0-9 \n')
    ((realtime <= $1)) || fail "the clock went on"
    ((uptime <= $1)) || fail "time went on"
}

# pause_in_tone CPUS KEYS: not a frame is lost or doubled, no clock advances, and nobody in the guest is the wiser.
pause_in_tone() {
    local vm began passed status=0 bytes
    run_paused "$1" "$2"
    bytes=$(stat -c %s tone.wav)
    sleep "$paused_seconds"
    [ "$(stat -c %s tone.wav)" = "$bytes" ] || fail "it went on recording"
    ((bytes > 4000 && bytes < $(stat -c %s "$guests/tone.wav"))) || fail "not in mid-tone: $bytes bytes"
    ! "$linnet" control socket pause || fail "it was paused twice"
    "$linnet" control socket resume
    ! "$linnet" control socket resume || fail "it was resumed twice"
    wait "$vm" || status=$?
    passed=$((SECONDS - began))
    cat console errors
    [ "$status" = 0 ] || fail "exit status $status"
    [ ! -s errors ] || fail "linnet had something to say"
    done_job pause
    no_longer_than $((passed - paused_seconds + 2)) # of whole seconds
    "$linnet" listen --same-as "$guests/tone.wav" tone.wav
}

# What ends a machine ends one that stands still.
quit_while_paused() {
    local vm began status=0
    run_paused 1 ''
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

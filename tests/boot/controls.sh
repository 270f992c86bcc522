# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The mixer and the jacks of the sound card, here a process of its own, changed from the guest and through the
# control socket;
# the mixer of a card of the host, changed from the guest and on the host.

# told WHAT: the guest asks for it, or has failed before.
told() {
    grep -qE "^linnet-controls: $1|^linnet-job: .* failed" console
}

# when WHAT COMMAND...: then the host does it.
when() {
    wait_for "$boot_seconds_max" told "$1"
    if grep -q '^linnet-job: ' console; then
        cat console
        "$linnet" control socket quit || true # it may have ended
        fail "the guest ended before \"$1\": $(grep '^linnet-job: ' console)"
    fi
    "$linnet" control socket "${@:2}"
}

# dummy_is NAME VALUE: what the host's own amixer says of its card Dummy.
dummy_is() {
    local got
    got=$(amixer -c Dummy cget "name='$1'" | sed -n 's/^  : values=//p')
    [ "$got" = "$2" ] || fail "on the host, $1 is $got, not $2"
}

# dummy_set NAME VALUE
dummy_set() {
    amixer -q -c Dummy cset "name='$1'" "$2"
}

# The mixer of a card of the host, passed through.
host_mixer() {
    local vm
    [ -e /proc/asound/Dummy ] || skip "no ALSA card Dummy (module snd-dummy) on this machine"
    warm "$made/$stock.sound" "$guests/$stock/vmlinuz"
    dummy_set 'Master Volume' 10,-10
    dummy_set 'Master Capture Switch' on,off
    dummy_set 'External I/O Box' 0
    "$linnet" run --initrd "$made/$stock.sound" --append "$(job mixer)" \
        --snd "host=alsa,device='hw:CARD=Dummy',controls=host" \
        "$guests/$stock/vmlinuz" </dev/null >console 2>errors &
    vm=$!
    wait_for "$boot_seconds_max" grep -qE '^linnet-mixer: look|^linnet-job: ' console
    dummy_is 'Master Volume' 100,-30
    dummy_is 'Master Capture Switch' off,on
    dummy_is 'External I/O Box' 1
    dummy_set 'Master Volume' 7,8
    dummy_set 'Master Capture Switch' on,off # both: or snd-dummy tells nobody
    dummy_set 'External I/O Box' None
    ends_well "$vm" mixer
    [ ! -s errors ] || fail "linnet had something to say"
}

# Both plays of the tone are in one file; the first one was at half volume.
halved() {
    local -r frames_bytes=$1
    wav_data "$guests/tone.wav" >played
    wav_data tone.wav >got
    [ "$(stat -c %s got)" = $((2 * frames_bytes)) ] || fail "$(stat -c %s got) bytes were played"
    head -c "$frames_bytes" got >half
    tail -c "$frames_bytes" got >full
    cmp full played # bit for bit
    od -An -v -t d2 -w2 played | awk '{ print int(($1 + 32769) / 2) - 16384 }' >want.txt
    od -An -v -t d2 -w2 half | awk '{ print $1 }' >half.txt
    cmp half.txt want.txt # to the nearest, halves upwards
}

controls() {
    local vm
    "$linnet" run --control socket --initrd "$made/$stock.sound" --append "$(job controls)" \
        --snd host=file,path=tone.wav,jacks=headphone+mic:unplugged,controls=on,isolate \
        "$guests/$stock/vmlinuz" </dev/null >console 2>errors &
    vm=$!
    wait_for "$boot_seconds_max" "$linnet" control socket status
    when unplug snd0 jack headphone unplug
    when plug snd0 jack 0 plug
    when mute snd0 ctl 'Master Playback Switch' off
    when unmute snd0 ctl 'Master Playback Switch' on
    ends_well "$vm" controls
    [ ! -s errors ] || fail "linnet had something to say"
    [ ! -e socket ] || fail "the socket is still there"
    halved "$(wav_data "$guests/tone.wav" | wc -c)"
}

# A machine is asked to end.
control_quit() {
    local vm status=0
    "$linnet" run --control socket --initrd "$made/$stock.sound" --append "$(job sleep)" \
        "$guests/$stock/vmlinuz" </dev/null >console 2>errors &
    vm=$!
    wait_for "$boot_seconds_max" "$linnet" control socket status
    sleep 1 # or not: at any time
    "$linnet" control socket quit
    wait "$vm" || status=$?
    [ "$status" = 0 ] || fail "exit status $status"
}

boot_case smp controls controls
boot_case counting host-mixer host_mixer
boot_case smp control-quit control_quit

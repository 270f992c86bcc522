# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Many sounds at once in real time, in periods of 10 ms: each recording is what was played, sample for
# sample, and neither the device nor a guest counts an xrun. What the device counts is asked for by
# SIGUSR1 and not with report=, which would listen, too: to hear 16 streams takes 1.4 G instructions a
# second, and the counting machine has 1 G.

load_seconds=2
machines_fds=() machines_pids=()

# machine FIRST STREAMS SND: boots one more in the background, whose guest plays that many voices.
machine() {
    local i pcms=() at=${#machines_pids[@]} fd
    for ((i = 0; i < $2; i++)); do pcms+=("hw:0,$((i % 4)),$((i / 4))"); done
    : >"console.$at"
    mkfifo "in.$at"
    exec {fd}<>"in.$at"
    "$linnet" run --mem 256M --initrd "$made/$stock.sound" \
        --append "$(job voices "$1" "$load_seconds" "${pcms[@]}")" \
        --snd "$3" "$guests/$stock/vmlinuz" <"in.$at" >"console.$at" 2>"errors.$at" {fd}>&- &
    machines_pids+=($!)
    machines_fds+=("$fd")
}

# count WORD: all machines have said it; what they have said is left in $looked. A guest that has failed ends
# the wait, too. (No programs: on a machine with one CPU they would take it from the players.)
count() {
    local at text n=0
    looked=
    for at in "${!machines_pids[@]}"; do
        text=$(<"console.$at")
        looked+=$text
        [[ $text != *"linnet-job: voices failed"* ]] || return 0
        [[ $text != *"linnet-voices: $1"* ]] || n=$((n + 1))
    done
    [ "$n" = "${#machines_pids[@]}" ]
}

# when_all WORD
when_all() {
    wait_for "$boot_seconds_max" count "$1"
    ! grep -q '^linnet-job: .* failed' console.* || tell_failure "before all said \"$1\""
}

tell_failure() {
    kill -USR1 "${machines_pids[@]}" || true # those that have ended
    sleep 1
    tail -n 20 console.* errors.*
    fail "a guest failed $1"
}

# One after the other: a player that starts takes more than one that plays.
answer_all() {
    local fd
    for fd in "${machines_fds[@]}"; do
        echo >&"$fd"
        sleep 0.2
    done
}

# counted STREAMS: all streams have told what they count.
counted() {
    [ "$(cat errors.* | wc -l)" = "$1" ]
}

# all_play STREAMS: has the machines play, and looks at what was counted.
all_play() {
    local pid
    when_all open
    answer_all
    when_all 'all play'
    [[ $looked != *"linnet-voices: played"* ]] || fail "not all at once"
    when_all played
    kill -USR1 "${machines_pids[@]}"
    wait_for "$boot_seconds_max" counted "$1"
    answer_all
    for pid in "${machines_pids[@]}"; do wait "$pid"; done
    cat console.* errors.*
    [ "$(cat errors.* | wc -l)" = "$1" ] || fail "linnet had something to say"
    [ "$(cat errors.* | grep -c ' 0 underruns of the guest, ')" = "$1" ] || fail "underruns"
    ! grep underrun console.* || fail "underruns that the guest counts"
}

# is_voice FILE N: what the guest's voice N is, then the period of silence that aplay ends with.
is_voice() {
    {
        {
            tail -c "+$((1 + 4 * 7 * $2))" tone.data
            while cat tone.data; do :; done
        } 2>/dev/null | head -c $((load_seconds * 192000))
        head -c 1920 /dev/zero
    } >played
    wav_data "$1" >got
    cmp got played
}

# One card with sixteen streams.
sixteen_streams() {
    local i
    wav_data "$guests/tone.wav" >tone.data
    warm "$made/$stock.sound" "$guests/$stock/vmlinuz"
    machine 0 16 host=file,path=a.wav,streams=16,pcms=4
    all_play 16
    is_voice a.wav 0
    for i in {1..15}; do is_voice "a-s$i.wav" "$i"; done
}

# many_machines COUNT: with a stream each.
many_machines() {
    local i
    wav_data "$guests/tone.wav" >tone.data
    warm "$made/$stock.sound" "$guests/$stock/vmlinuz"
    for ((i = 0; i < $1; i++)); do machine "$i" 1 "host=file,path=$i.wav"; done
    all_play "$1"
    for ((i = 0; i < $1; i++)); do is_voice "$i.wav" "$i"; done
}
three_machines() { many_machines 3; }
eight_machines() { many_machines 8; }

boot_case counting sixteen-streams sixteen_streams x86_64
boot_case counting three-machines three_machines x86_64
soak_case counting eight-machines eight_machines x86_64

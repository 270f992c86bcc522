# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# What the sound card can do besides a tone: capture, a loopback, several streams and cards, a free
# clock, expectations, reports, faults, and drivers that come and go.

# card_job STATUS "JOB [ARG...]" SND...: boots with these sound cards.
card_job() {
    local status=$1 words snd=() card
    read -ra words <<<"$2"
    for card in "${@:3}"; do snd+=(--snd "$card"); done
    boot "$status" --initrd "$made/$stock.sound" --append "$(job "${words[@]}")" "${snd[@]}" \
        "$guests/$stock/vmlinuz"
    done_job "${words[0]}"
}

same_as_tone() {
    local file
    for file; do "$linnet" listen --same-as "$guests/tone.wav" "$file"; done
}

# The guest records what the file holds.
record_file() {
    card_job 0 record "streams=0,source-path=$guests/tone.wav"
}

# From playback to capture in the device, without a hole; alsabat recognizes its tone there, too.
loopback() {
    card_job 0 loopback host=loopback host=file,path=heard.wav
    same_after_silence heard.wav "$guests/tone.wav"
}

# As fast as the guest feeds it, and not a sample is lost.
free_clock() {
    card_job 0 tone host=file,path=tone.wav,clock=free
    same_as_tone tone.wav
}

# Streams are subdevices, PCM devices, or cards; each has its file.
many_streams() {
    card_job 0 "tones hw:0,0,0 hw:0,0,1 hw:0,1 hw:1" \
        host=file,path=a.wav,streams=4,pcms=2 host=file,path=b.wav
    same_as_tone a.wav a-s1.wav a-s2.wav b.wav
}

expected() {
    card_job 0 tone "host=null,expect='freq=440,tol=1,seconds=2,gaps=0'"
}

unexpected() {
    card_job 38 tone "host=null,expect='freq=523,tol=1'"
    grep -q '523.*440' errors || fail "the line does not say what was heard instead"
}

reported() {
    card_job 0 tone host=null,report=report.json
    cat report.json
    grep -q '"frames":96000,.*"xruns":0,' report.json || fail "not all was played, or not in time"
    grep -qE '"freq_hz":(439\.9|440\.0)' report.json || fail "the report does not tell of the tone"
}

# aplay gets over each of them; what was to be lost is, and no more.
fault_stall() {
    card_job 0 tone "host=file,path=tone.wav,fault='stall=100ms@1s',report=report.json"
    cat report.json
    grep -qE '"late_max_us":(9[0-9]{4}|[1-9][0-9]{5})' report.json || fail "nothing stood still for 100 ms"
    same_as_tone tone.wav
}

# The guest's programs are told of it: 80 ms are 3,840 frames.
fault_latency() {
    card_job 0 "delay 3840" "host=file,path=tone.wav,fault='latency=80ms'"
    same_as_tone tone.wav
}

delay() { card_job 0 "delay 0" host=null; }

# fault_silence FAULT: one message is silence, the rest is as it was.
fault_silence() {
    local silent
    card_job 0 tone "host=file,path=tone.wav,fault='$1'"
    wav_data tone.wav >got
    wav_data "$guests/tone.wav" >played
    [ "$(stat -c %s got)" = "$(stat -c %s played)" ] || fail "not as long as the tone"
    cmp -l got played >differences || true
    silent=$(wc -l <differences)
    ((silent > 1000)) || fail "nothing was lost"
    ! grep -qv '^ *[0-9]* *0 ' differences || fail "what was lost is not silence"
    # A message of aplay's has up to a quarter of 500 ms, 24,000 bytes.
    awk '{ if (first == 0) first = $1; last = $1 } END { exit last - first >= 24000 }' differences ||
        fail "more than a message was lost"
}

fault_drop() { fault_silence drop=7; }

# Linux's driver does not look at the status; its position moves on all the same.
fault_io_err() { fault_silence io-err@1s; }

# aplay is told of the underrun, begins anew, and plays what it has left: all of the tone is heard.
fault_xrun() {
    card_job 0 tone "host=file,path=tone.wav,fault='xrun@1s',report=report.json"
    cat report.json
    [ "$(grep -c underrun console)" = 1 ] || fail "aplay did not tell of one underrun"
    grep -q '"xruns":1,' report.json || fail "the report does not tell of one"
    same_as_tone tone.wav
}

# ends_with_tone FILE: the last two seconds.
ends_with_tone() {
    wav_data "$guests/tone.wav" >played
    wav_data "$1" | tail -c "$(stat -c %s played)" | cmp - played
}

# The driver goes and comes back in mid-tone, 100 times; then there is nothing amiss.
rebind() {
    card_job 0 "rebind 100" host=file,path=tone.wav
    ends_with_tone tone.wav
}

# asleep FILE: for a second nothing is added to it, though it is not the whole tone.
asleep() {
    local size
    size=$(stat -c %s "$1")
    sleep 1
    [ "$(stat -c %s "$1")" = "$size" ] && ((size < 384000))
}

# The guest sleeps in mid-tone until there is a key; aplay knows, and goes on behind what it had written.
# How much of the rest is heard is not for us to say: Linux's driver (6.12) does not set its position
# back when it prepares a stream after a suspension, so it is wrong by up to a buffer until the next one.
suspend() {
    local key cut status=0
    warm "$made/$stock.sound" "$guests/$stock/vmlinuz"
    mkfifo in
    exec {key}<>in
    "$linnet" run --initrd "$made/$stock.sound" --append "$(job suspend)" \
        --snd host=file,path=tone.wav "$guests/$stock/vmlinuz" <in >console 2>errors &
    wait_for "$boot_seconds_max" grep -qE '^linnet-(suspend|job)' console
    wait_for 60 asleep tone.wav
    echo >&"$key"
    wait $! || status=$?
    cat console errors
    [ "$status" = 0 ] || fail "exit status $status"
    done_job suspend
    ends_with_tone tone.wav
    wav_data tone.wav | head -c -384000 >got
    cut=$({ cmp got played || true; } | sed 's/.*: [a-z]* \([0-9]*\),.*/\1/')
    echo "$(stat -c %s got) bytes of the first tone, cut at ${cut:-the end}"
    ((cut > 19200 && $(stat -c %s got) > cut + 19200 && $(stat -c %s got) < 384000)) ||
        fail "it was not suspended in mid-tone"
}

boot_case counting record-file record_file
boot_case counting loopback loopback
boot_case counting free-clock free_clock
boot_case counting many-streams many_streams
boot_case counting expected expected
boot_case counting unexpected unexpected
boot_case counting report reported
boot_case counting fault-stall fault_stall
boot_case counting fault-latency fault_latency
boot_case counting delay delay
boot_case counting fault-drop fault_drop
boot_case counting fault-io-err fault_io_err
boot_case counting fault-xrun fault_xrun
boot_case counting rebind rebind
boot_case counting suspend suspend

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

# Streams are subdevices, PCM devices, or cards; each has its file.
many_streams() {
    card_job 0 "tones hw:0,0,0 hw:0,0,1 hw:0,1 hw:1" \
        host=file,path=a.wav,streams=4,pcms=2 host=file,path=b.wav
    same_as_tone a.wav a-s1.wav a-s2.wav b.wav
}

# Four cards at once, each with something of its own to show: what is expected is heard, and told of; a worker
# that stands still; a free clock; a message that is lost. aplay gets over each.
cards() {
    card_job 0 "tones hw:0 hw:1 hw:2 hw:3" \
        "host=null,expect='freq=440,tol=1,seconds=2,gaps=0',report=report.json" \
        "host=file,path=stall.wav,fault='stall=100ms@1s',report=stall.json" \
        host=file,path=free.wav,clock=free "host=file,path=drop.wav,fault='drop=7'"
    cat report.json stall.json
    grep -q '"frames":96000,.*"xruns":0,' report.json || fail "not all was played, or not in time"
    grep -qE '"freq_hz":(439\.9|440\.0)' report.json || fail "the report does not tell of the tone"
    grep -qE '"late_max_us":(9[0-9]{4}|[1-9][0-9]{5})' stall.json || fail "nothing stood still for 100 ms"
    same_as_tone stall.wav free.wav
    one_is_silent drop.wav
}

# What is not expected is heard, by a card that is a process of its own; a message fails, of which Linux's driver does not look at the status: its
# position moves on all the same; aplay is told of an underrun, begins anew, and plays what it has left.
cards_unexpected() {
    card_job 38 "tones hw:0 hw:1 hw:2" "host=null,isolate,expect='freq=523,tol=1'" \
        "host=file,path=failed.wav,fault='io-err@1s'" \
        "host=file,path=xrun.wav,fault='xrun@1s',report=xrun.json"
    grep -q '523.*440' errors || fail "the line does not say what was heard instead"
    one_is_silent failed.wav
    cat xrun.json
    [ "$(grep -c underrun console)" = 1 ] || fail "aplay did not tell of one underrun"
    grep -q '"xruns":1,' xrun.json || fail "the report does not tell of one"
    same_as_tone xrun.wav
}

# The guest's programs are told of a card's latency: 80 ms are 3,840 frames.
delay() {
    card_job 0 "delay 3840 0" "host=file,path=tone.wav,fault='latency=80ms'" host=null
    same_as_tone tone.wav
}

# one_is_silent FILE: a message of the tone is silence, the rest is as it was.
one_is_silent() {
    local silent
    wav_data "$1" >got
    wav_data "$guests/tone.wav" >played
    [ "$(stat -c %s got)" = "$(stat -c %s played)" ] || fail "$1: not as long as the tone"
    cmp -l got played >differences || true
    silent=$(wc -l <differences)
    ((silent > 1000)) || fail "$1: nothing was lost"
    ! grep -qv '^ *[0-9]* *0 ' differences || fail "$1: what was lost is not silence"
    # A message of aplay's has up to a quarter of 500 ms, 24,000 bytes.
    awk '{ if (first == 0) first = $1; last = $1 } END { exit last - first >= 24000 }' differences ||
        fail "$1: more than a message was lost"
}

# ends_with_tone FILE: the last two seconds.
ends_with_tone() {
    wav_data "$guests/tone.wav" >played
    wav_data "$1" | tail -c "$(stat -c %s played)" | cmp - played
}

# The driver goes and comes back in mid-tone, again and again; then there is nothing amiss.
rebind_times() {
    card_job 0 "rebind $1" host=file,path=tone.wav
    ends_with_tone tone.wav
}
rebind() { rebind_times 30; }
rebind_long() { rebind_times 200; }

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
    wait_for "$boot_seconds_max" asleep tone.wav
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
boot_case counting many-streams many_streams
boot_case counting cards cards
boot_case counting cards-unexpected cards_unexpected
boot_case counting delay delay
boot_case counting rebind rebind
soak_case counting rebind-long rebind_long
boot_case counting suspend suspend

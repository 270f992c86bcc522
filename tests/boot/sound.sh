# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# A tone by each host, and what is left of it when linnet is killed.

# tone SND [OPTION...]: the guest plays 440 Hz for 2 s.
tone() {
    boot 0 --initrd "$made/$stock.sound" --append "$(job tone)" --snd "$@" "$guests/$stock/vmlinuz"
    done_job tone
}

# in_order FILE TEXT...: lines of the file have these texts, one line behind the other.
in_order() {
    local file=$1 text line=0
    shift
    for text; do
        line=$(awk -v from="$line" -v text="$text" 'NR > from && index($0, text) { print NR; exit }' "$file")
        [ -n "$line" ] || fail "$file: there is no \"$text\" behind what comes before it"
    done
}

# What is played is what is recorded; and it was talked about in the order of the driver's source. "transport" is
# in_folder's.
tone_file() {
    tone host=file,path=tone.wav --transcript said --trace trace.json
    "$linnet" listen --same-as "$guests/tone.wav" tone.wav
    in_order said "sound, id 25, ${transport:-mmio}, slot 1" "ACKNOWLEDGE" "DRIVER" "offered bits 0 to 31" \
        "accepted bits 32 to 63: VERSION_1" "FEATURES_OK" "controlq   enabled, size" \
        "rxq        enabled, size" "DRIVER_OK" "ready" "> PCM_INFO of 1 from 0 on" "< OK; #0 playback" \
        "> SET_PARAMS stream 0: S16, 48000 Hz, 2 channels" "< OK" "> PREPARE stream 0" "txq        > stream 0" \
        "> START stream 0" "txq        < stream 0, OK" "more > and" "> STOP stream 0" "> RELEASE stream 0" "< OK"
    ! grep ' lost ' said || fail "events were lost"
    for text in '"exit mmio"' '"snd0 txq kick"' '"snd0 txq pop"' '"snd0 stream 0 period"' \
        '"args": {"name": "vcpu0"}' '"args": {"name": "snd0"}'; do
        grep -qF -- "$text" trace.json || fail "trace.json has no $text"
    done
    tail -n 1 trace.json | grep -qx ']}'
}

tone_asan() {
    local linnet=$top/build/$arch-asan/linnet program='' transport=''
    [ -x "$linnet" ] || skip "no build/$arch-asan/linnet: make VARIANT=asan"
    tone_file
}

# longer FILE BYTES
longer() {
    [ "$(stat -c %s "$1")" -gt "$2" ]
}

# Through the loopback card of the ALSA drivers: arecord sits at its other end. It writes whole periods
# of an eighth of a second, so what it had when linnet ended lacks some.
tone_alsa() {
    local recorder start
    [ -e /proc/asound/Loopback ] || skip "no ALSA card Loopback (module snd-aloop) on this machine"
    arecord -q -D hw:Loopback,1,0 -f S16_LE -r 48000 -c 2 heard.wav &
    recorder=$!
    wait_for "$boot_seconds_max" test -s heard.wav
    tone "host=alsa,device='hw:Loopback,0,0'"
    wait_for "$boot_seconds_max" longer heard.wav $(($(stat -c %s heard.wav) + 96000))
    kill -INT "$recorder"
    wait "$recorder" || true # of the signal
    same_after_silence heard.wav "$guests/tone.wav"
    # A counting machine's clock may have jumped over minutes of silence, which take long to hear.
    start=$(($(first_sound heard.data) / 4 - 4800))
    sox -D heard.wav cut.wav trim "$((start > 0 ? start : 0))s"
    "$linnet" listen --expect freq=440,tol=1,gaps=0 cut.wav
}

# first_sound FILE: offset of its first byte that is not 0.
first_sound() {
    local byte
    byte=$({ LC_ALL=C cmp "$1" /dev/zero || true; } | sed 's/.*: [a-z]* \([0-9]*\),.*/\1/')
    echo $((byte - 1))
}

# same_after_silence HEARD PLAYED: equal from the first sound on.
same_after_silence() {
    local heard played
    wav_data "$1" >heard.data
    wav_data "$2" >played.data
    heard=$(first_sound heard.data)
    played=$(first_sound played.data)
    cmp -n $(($(stat -c %s played.data) - played)) -i "$heard:$played" heard.data played.data
}

# What comes in at the other end of the loopback card, a tone, is recorded in the guest without a hole.
record_alsa() {
    local player
    [ -e /proc/asound/Loopback ] || skip "no ALSA card Loopback (module snd-aloop) on this machine"
    wav_data "$guests/tone.wav" >tone.data
    { while cat tone.data; do :; done; } 2>/dev/null |
        aplay -q -D hw:Loopback,0,2 -t raw -f S16_LE -r 48000 -c 2 &
    player=$!
    wait_for "$boot_seconds_max" grep -q RUNNING /proc/asound/Loopback/pcm0p/sub2/status
    boot 0 --initrd "$made/$stock.sound" --append "$(job echo)" \
        --snd "host=file,path=heard.wav,source=alsa,device='hw:Loopback,1,2'" "$guests/$stock/vmlinuz"
    kill "$player"
    wait "$player" || true # of the signal
    done_job echo
    "$linnet" listen --expect freq=440,tol=1,seconds=1+-0.1,gaps=0,clicks=0 heard.wav
}

# Somebody else has the card.
alsa_busy() {
    local other status=0
    [ -e /proc/asound/Loopback ] || skip "no ALSA card Loopback (module snd-aloop) on this machine"
    aplay -q -D hw:Loopback,0,1 -f S16_LE -r 48000 -c 2 /dev/zero &
    other=$!
    wait_for "$boot_seconds_max" grep -q RUNNING /proc/asound/Loopback/pcm0p/sub1/status
    "$linnet" run --snd "host=alsa,device='hw:Loopback,0,1'" "$guests/$stock/vmlinuz" \
        >console 2>errors || status=$?
    cat errors
    kill "$other"
    wait "$other" || true # of the signal
    [ "$status" = 1 ] || fail "exit status $status, not 1"
    [ "$(wc -l <errors)" = 1 ] || fail "not one line"
    grep -qi 'busy' errors || fail "the line does not say that the card is busy"
}

# The unit tests that want sound cards.
alsa_cards() {
    local unit=build/$arch-release/unit files
    [ -x "$top/$unit" ] || fail "no unit tests: make ARCH=$arch $unit"
    mapfile -t files < <(LD_TRACE_LOADED_OBJECTS=1 "$top/$unit" | grep -o '/[^ ]*'
        find /usr/share/alsa -type f)
    warm "$top/$unit" "${files[@]}" # a helper that waits for its own code is given up after 5 s of this clock
    "$top/$unit" alsa_card | tee results
    ! grep '^SKIP ' results || skip "$(grep -c '^SKIP ' results) tests: no ALSA cards Loopback and Dummy"
}

# Killed in mid-tone: what the file holds is sound, and the beginning of what was played.
killed() {
    local size at
    "$linnet" run --initrd "$made/$stock.sound" --append "$(job tone)" \
        --snd host=file,path=tone.wav "$guests/$stock/vmlinuz" </dev/null &
    wait_for "$boot_seconds_max" larger_than tone.wav 150000
    kill -KILL $!
    wait || true
    read -r at size < <(wav_chunk tone.wav data)
    echo "the header tells of $size bytes from $at"
    ((size >= 100000 && size < 384000)) || fail "$size bytes: not killed in mid-tone"
    [ $((at + size)) -le "$(stat -c %s tone.wav)" ] || fail "the header tells of more than there is"
    prefix_of_tone tone.wav
}

# The disk is full in mid-tone: the guest plays on, the loss is told, the file is sound.
disk_full() {
    local at size
    mkdir small
    busybox mount -t tmpfs -o size=200K tmpfs small || skip "not allowed to mount a small file system"
    boot 1 --initrd "$made/$stock.sound" --append "$(job tone)" \
        --snd host=file,path=small/tone.wav "$guests/$stock/vmlinuz"
    done_job tone
    grep -q 'small/tone.wav.*No space left' errors || fail "the loss was not told"
    read -r at size < <(wav_chunk small/tone.wav data)
    ((size >= 150000 && size <= 204800)) || fail "$size bytes are recorded"
    prefix_of_tone small/tone.wav
    busybox umount small
}

# What FILE holds is the beginning of the tone, and an independent reader takes it.
prefix_of_tone() {
    local size
    wav_data "$1" >got
    wav_data "$guests/tone.wav" >played
    size=$(stat -c %s got)
    cmp -n "$size" got played
    sox "$1" -n stat
}

larger_than() {
    [ -e "$1" ] && [ "$(stat -c %s "$1")" -gt "$2" ]
}

boot_case smp tone-file tone_file
boot_case counting tone-killed killed
boot_case counting tone-disk-full disk_full
boot_case counting tone-asan tone_asan x86_64
boot_case counting tone-alsa tone_alsa
boot_case counting record-alsa record_alsa
boot_case counting alsa-busy alsa_busy
boot_case counting alsa-cards alsa_cards

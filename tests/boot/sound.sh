# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# A tone by each host, and what is left of it when linnet is killed.

# tone SND: the guest plays 440 Hz for 2 s.
tone() {
    boot 0 --initrd "$made/$stock.sound" --append "$(job tone)" --snd "$1" "$guests/$stock/vmlinuz"
    done_job tone
}

tone_file() {
    tone host=file,path=tone.wav
    "$linnet" listen --same-as "$guests/tone.wav" tone.wav
}

tone_null() { tone host=null; }

# Through the loopback card of the ALSA drivers: arecord sits at its other end.
tone_alsa() {
    local recorder
    [ -e /proc/asound/Loopback ] || skip "no ALSA card Loopback (module snd-aloop) on this machine"
    arecord -q -D hw:Loopback,1,0 -f S16_LE -r 48000 -c 2 heard.wav &
    recorder=$!
    wait_for 5 test -s heard.wav
    tone host=alsa,device=hw:Loopback\\,0\\,0
    kill -INT "$recorder"
    wait "$recorder" || true # of the signal
    "$linnet" listen heard.wav
    "$linnet" listen --expect freq=440,tol=1,gaps=0 heard.wav
}

# The unit tests that want sound cards.
alsa_cards() {
    "$top/build/$arch-release/unit" alsa_card | tee results
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
    wav_data tone.wav >got
    wav_data "$guests/tone.wav" >played
    cmp -n "$size" got played
    sox tone.wav -n stat # an independent reader takes it
}

larger_than() {
    [ -e "$1" ] && [ "$(stat -c %s "$1")" -gt "$2" ]
}

boot_case counting tone-file tone_file
boot_case counting tone-null tone_null
boot_case counting tone-killed killed
boot_case smp tone-file-smp tone_file
boot_case smp tone-alsa tone_alsa
boot_case smp alsa-cards alsa_cards

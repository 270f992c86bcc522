# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Judges of the sound card that others wrote: the kernel's own selftests of ALSA, alsabat, and PipeWire as
# Debian has it.

outside=$made/outside

outside_prepare() {
    mkdir -p "$outside"
    "$top/guests/selftests.sh"
    "$top/guests/addfiles.sh" "$made/$stock.sound" "$outside/selftest" \
        "$guests"/selftests/{mixer-test,pcm-test,pcm-test.conf} "$top/tests/boot/pcm-divided.conf"
    "$top/guests/mkinitramfs.sh" "$stock" "$outside/pipewire" pipewire
}

# outside_job INITRAMFS "JOB [ARG...]" SND [OPTION...]
outside_job() {
    local words
    read -ra words <<<"$2"
    boot 0 --initrd "$outside/$1" --append "$(job "${words[@]}")" --snd "$3" "${@:4}" \
        "$guests/$stock/vmlinuz"
    done_job "${words[0]}"
}

# ktap "NAME CONFIG" SKIPS [FAILURE...]: what the guest's selftest said, in the kernel's way: each test
# of its plan has a result, so many are skipped, and those named fail, and no other.
ktap() {
    local what=$1 skips=$2 plan
    shift 2
    tr -d '\r' <console | awk -v start="linnet-selftest: $what" '
        /^linnet-/ { here = 0 }
        $0 == start { here = 1 }
        here' >ktap
    plan=$(sed -n 's/^1\.\.\([0-9]*\)$/\1/p' ktap)
    [ "${plan:-0}" -gt 0 ] || fail "$what: no plan"
    [ "$(grep -cE '^(not )?ok [0-9]+ ' ktap)" = "$plan" ] || fail "$what: not $plan results"
    sed -n 's/^not ok [0-9]* //p' ktap | sort >failures
    printf '%s\n' "$@" | sed '/^$/d' | sort >failures.known
    diff failures failures.known || fail "$what: fails otherwise than known"
    [ "$(grep -c '^ok [0-9]* # SKIP' ktap)" = "$skips" ] || fail "$what: not $skips are skipped"
}

# Skipped is what can't be written: jacks and channel maps (3 tests each).
selftest_mixer() {
    outside_job selftest "selftest mixer-test" \
        host=null,capture=1,jacks=headphone+mic,controls=on
    ktap "mixer-test none" 12
}

# With the kernel's own configuration one case is not for the stock driver, which sends whole periods
# only: two seconds at 44.1 kHz are 3.92 periods, and it waits for the rest until draining times out.
# (The rates and channels offered let the guest have the other long periods, which divide them.)
selftest_pcm() {
    outside_job selftest "selftest pcm-test pcm-divided.conf pcm-test.conf" \
        host=null,source=tone,rates=8000+44100+48000+96000+192000,channels=1-8
    ktap "pcm-test pcm-divided.conf" 0
    ktap "pcm-test pcm-test.conf" 0 default.time3.SoundCard.0.0.PLAYBACK
}

# A tone goes round, and alsabat finds it.
alsabat_round() {
    outside_job selftest "alsabat S16_LE,48000,2 S32_LE,44100,2" host=loopback
}

# heard_tones SECONDS: from its first sound on, heard.wav is the tone again and again, sample by sample,
# but for the last 100 ms: pw-play does not wait for all it has sent. What is behind is left in rest.wav.
heard_tones() {
    local raw=(-t raw -e "$(soxi -e heard.wav | cut -d ' ' -f 1)" -b "$(soxi -b heard.wav)")
    local frame=$((2 * $(soxi -b heard.wav) / 8)) heard played
    local size=$(($1 * 48000 * frame)) tail=$((4800 * frame))

    [ "$(soxi -r heard.wav) $(soxi -c heard.wav)" = "48000 2" ] || fail "not 48000 Hz, stereo"
    sox -D heard.wav "${raw[@]}" heard.raw
    sox -D "$guests/tone.wav" "${raw[@]}" tone.raw
    heard=$(first_sound heard.raw)
    played=$(first_sound tone.raw)
    cmp -n $((size - played - tail)) -i "$heard:$played" heard.raw <(while cat tone.raw; do :; done)
    tail -c "+$((heard + size - played + 1))" heard.raw |
        sox "${raw[@]}" -r 48000 -c 2 - rest.wav
}

# PipeWire plays and records with its default settings, and neither it nor the device counts an xrun.
# PIPEWIRE_SECONDS in the environment says how long.
pipewire() {
    local seconds=${PIPEWIRE_SECONDS:-6} node
    boot_seconds_max=$((2 * seconds + boot_seconds_max))
    outside_job pipewire "pipewire $seconds" host=file,path=heard.wav,source=tone,tone-freq=1000,report=report \
        --mem 1G
    cat report
    ! grep -qv '"xruns":0,' report || fail "the device counts xruns"
    heard_tones "$seconds"
    "$linnet" listen --expect freq=1000,tol=1,gaps=0,clicks=0 rest.wav
    for node in 'alsa_output\..* 0 0 [1-9]' 'alsa_input\..* 0 0 [1-9]' 'pw-play [0-9]* 0 ' \
        'pw-record [0-9]* 0 '; do
        grep -q "^linnet-pw-top: [0-9]* $node" console || fail "pw-top has no line \"$node\""
    done
}

boot_case counting selftest-mixer selftest_mixer x86_64
boot_case counting selftest-pcm selftest_pcm x86_64
boot_case counting alsabat alsabat_round x86_64
boot_case counting pipewire pipewire x86_64

# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Judges of the sound card that others wrote: the kernel's own selftests of ALSA.

outside=$made/outside

outside_prepare() {
    mkdir -p "$outside"
    "$top/guests/selftests.sh"
    "$top/guests/addfiles.sh" "$made/$stock.sound" "$outside/selftest" \
        "$guests"/selftests/{mixer-test,pcm-test} "$top/tests/boot/pcm-divided.conf"
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

# Skipped is what can't be written: jacks and channel maps (3 tests each), "Played Frames" (3), "Test
# Inactive" (4); and what the test knows no values for: IEC 958 and bytes (2 each).
selftest_mixer() {
    outside_job selftest "selftest mixer-test" \
        host=null,capture=1,jacks=headphone+mic,controls=all
    ktap "mixer-test none" 23
}

selftest_pcm() {
    outside_job selftest "selftest pcm-test pcm-divided.conf" host=null,source=tone
    ktap "pcm-test pcm-divided.conf" 0
}

boot_case counting selftest-mixer selftest_mixer x86_64
boot_case counting selftest-pcm selftest_pcm x86_64

#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Boots stock kernels under linnet under kvm_intel: in a machine that Bochs emulates, with Intel's
# VT-x, EPT and unrestricted guests. Linux starts there from a CD, with linnet and its guests in the
# initramfs, and runs guests/jobs/vtx.sh, whose results are told here.
#
# Bochs' clock counts instructions, so it does not matter how busy this machine is.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
stock=6.12-amd64
guests=$top/build/guests
work=$top/build/rig/vtx
logs=$logs/vtx
seconds_max=1800

# Two takes of noise, which no mistake leaves as it is; in whole periods, which aplay would fill up.
sounds() {
    sox -D -n -r 48000 -c 2 -b 16 "$work/noise-16.wav" synth 1 whitenoise
    sox -D -n -r 44100 -c 2 -b 32 "$work/noise-32.wav" synth 1 whitenoise
    printf '%s\n' noise-16.wav,,,,480 noise-32.wav,,,,300 >"$work/playlist"
}

initramfs() {
    "$top/guests/fetch.sh" "$stock"
    "$top/guests/mkinitramfs.sh" "$stock" "$work/boot" boot
    "$top/guests/mkinitramfs.sh" "$stock" "$work/plain" sound
    "$top/guests/addfiles.sh" "$work/plain" "$work/sound" \
        "$work"/{noise-16.wav,noise-32.wav,playlist}
    "$top/guests/mkinitramfs.sh" "$stock" "$work/plain" linnet
    "$top/guests/addfiles.sh" "$work/plain" "$work/initrd" "$guests/$stock/vmlinuz" \
        "$guests/hostile.elf" "$work"/{boot,sound,noise-16.wav,noise-32.wav}
}

cd_image() {
    local root=$work/cd
    mkdir -p "$root"
    cp "$guests/$stock/vmlinuz" /usr/lib/ISOLINUX/isolinux.bin \
        /usr/lib/syslinux/modules/bios/ldlinux.c32 "$root"
    gzip -1 <"$work/initrd" >"$root/initrd"
    cat >"$root/isolinux.cfg" <<'CONFIG'
default linux
label linux
  kernel vmlinuz
  initrd initrd
  append console=ttyS0 quiet linnet.job=vtx
CONFIG
    xorriso -as mkisofs -quiet -o "$work/cd.iso" -b isolinux.bin -c boot.cat -no-emul-boot \
        -boot-load-size 4 -boot-info-table "$root"
}

machine() {
    cat >"$work/bochsrc" <<CONFIG
cpu: model=corei7_haswell_4770, count=1, ips=100000000
memory: guest=1024, host=1024
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/vgabios/vgabios.bin
clock: sync=none
ata0-master: type=cdrom, path=$work/cd.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=$work/console
display_library: nogui
log: $logs/bochs.log
error: action=ignore
CONFIG
}

prepare() {
    "$top/tests/rig/bochs.sh"
    rm -rf "$work"
    mkdir -p "$work"
    sounds
    initramfs
    cd_image
    machine
}

ended() {
    grep -q '^linnet-job: vtx ' "$work/console" || ! kill -0 "$bochs"
}

run() {
    : >"$work/console"
    setpriv --pdeathsig KILL "$top/build/rig/bochs/bochs" -q -f "$work/bochsrc" >"$logs/bochs.out" 2>&1 &
    bochs=$!
    wait_for "$seconds_max" ended
    kill -KILL "$bochs" || true
    grep -q '^linnet-job: vtx ok' "$work/console" || fail "the machine did not get to its end"
}

# The machine's own words, as results.
results() {
    local name rest
    while read -r _ name rest; do
        case $rest in
        ok) ok "vtx/$name" ;;
        *) failed "vtx/$name" "${rest#failed: }, see ${logs#"$top"/}/console" ;;
        esac
    done < <(tr -d '\r' <"$work/console" | grep '^vtx: ')
}

mkdir -p "$logs"
LOGS=$logs
run_case prepare prepare
if [ "$case_status" = 0 ]; then
    run_case run run
    cp "$work/console" "$logs/console"
    results
fi
finish

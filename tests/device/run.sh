#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# `linnet device`: stock kernels in QEMU's machines use our devices, each a process of its own. QEMU
# emulates, so no KVM is needed; it is the one that has vhost-user-snd (10.0 or later, see
# tests/bench/qemu_sound.sh), or with "-11" behind a case's name QEMU 11 (see guests/peer.sh).
#
#   tests/device/run.sh [CASE...]     one short case, or those named:
#                                     qemu (the short one), pause, reset, killed, old, others, rust
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"

guests=$top/build/guests
stock=6.12-amd64
made=$top/build/device
tone=$guests/tone.wav
seconds_max=${SECONDS_MAX-1200} # for a machine that emulates on a busy host

prepare() {
    mkdir -p "$made"
    "$top/guests/fetch.sh" "$stock"
    "$top/guests/mkinitramfs.sh" "$stock" "$made/initrd" talk
    "$top/tests/bench/qemu_sound.sh" >"$made/qemu"
}

# in_folder COMMAND...: in a new one, and no process of ours is left.
in_folder() {
    work=$(mktemp -d)
    cd "$work"
    trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT
    pids=()
    "$@"
}

# device KIND [KEYS]: serves it at KIND.sock; its process id is the last of pids.
device() {
    rm -f "$1.sock"
    "$linnet" device "$1" --socket-path "$1.sock" "${@:2}" 2>>"$1.errors" &
    pids+=($!)
    wait_for "$seconds_max" device_there "$1"
    [ -S "$1.sock" ] || fail "$(cat "$1.errors")"
}

# device_there KIND: it listens, or has had something to say.
device_there() {
    [ -S "$1.sock" ] || [ -s "$1.errors" ]
}

# devices_end: SIGTERM ends them all with status 0, and they had nothing to say.
devices_end() {
    local pid status
    for pid in "${pids[@]}"; do
        kill "$pid"
        status=0
        wait "$pid" || status=$?
        [ "$status" = 0 ] || fail "a device ended with status $status: $(cat ./*.errors)"
    done
    pids=()
    [ -z "$(cat ./*.errors)" ] || fail "a device has something to say: $(cat ./*.errors)"
}

# attach KIND DEVICE [OPTION...]: words for QEMU, in the array `attached`.
attach() {
    attached+=(-chardev "socket,id=$1,path=$1.sock" -device "$2,chardev=$1${3-}")
}

at_reset=shutdown # or reset
# qemu JOB [ARG...]: boots the guest for that job in the background, its console is in the file of that
# name, its monitor at qmp. The program is $emulator.
qemu() {
    local words="quiet panic=-1 no_timer_check cryptomgr.notests=1 linnet.job=$1"
    [ -n "$emulator" ] || skip "no such QEMU with vhost-user-snd to be had"
    shift
    words="console=ttyS0 $words$(printf ' linnet.arg=%s' "$@")"
    rm -f qmp
    timeout --kill-after 5 "$seconds_max" "$emulator" -M q35,memory-backend=ram -accel tcg -cpu max,-cx16,-erms,-fsrm -m 256 \
        -object memory-backend-memfd,id=ram,size=256M,share=on \
        -nodefaults -no-user-config -display none -action reboot="$at_reset" -serial file:console \
        -qmp unix:qmp,server=on,wait=off \
        -kernel "$guests/$stock/vmlinuz" -initrd "$made/initrd" -append "$words" "${attached[@]}" \
        </dev/null &
    machine=$!
}

# monitor COMMAND: tells QEMU, and waits until it has done so.
monitor() {
    { echo '{"execute":"qmp_capabilities"}'; echo "{\"execute\":\"$1\"}"; sleep 1; } |
        socat -t 2 - UNIX-CONNECT:qmp | tee -a qmp.log
}

said() {
    grep -q "^linnet-outboard: $1" console
}

done_job() {
    wait "$machine" || fail "QEMU's status $?"
    cat console
    grep -q "^linnet-job: $1 ok" console || fail "the guest did not do its job \"$1\""
}

same_sound() {
    "$linnet" listen --same-as "$tone" "$1"
}

# The last that was recorded is the tone, whole.
same_end() { # FILE
    cmp <(tail -c 384000 "$1") <(tail -c 384000 "$tone") || fail "$1 does not end with what was played"
}

recorded() { # FILE BYTES
    [ -e "$1" ] && [ "$(stat -c %s "$1")" -gt "$2" ]
}

# -- cases --

rng_disk_share() {
    device rng
    head -c 1M /dev/urandom >disk.img
    truncate -s 2M disk.img
    device disk disk.img
    mkdir folder
    head -c 300000 /dev/urandom >folder/in
    device share "folder,tag=unused,rw"
    attach rng vhost-user-rng-pci
    attach disk vhost-user-blk-pci
    attach share vhost-user-fs-pci ,tag=outboard
}

# In one machine: what was played is what was recorded, and what was captured is the file; the card is asked for
# something meanwhile, and what its driver says is written down.
kinds() {
    attached=()
    device snd "host=file,path=heard.wav,source=file,source-path=$tone,jacks=mic" \
        --control snd.control --transcript snd.transcript
    attach snd vhost-user-snd-pci
    rng_disk_share
    qemu outboard rng snd capture disk share
    "$linnet" control snd.control snd0 jack 0 unplug
    done_job outboard
    "$linnet" control snd.control snd0 jack | grep -x '0 mic unplugged'
    devices_end
    same_sound heard.wav
    grep -m 1 'snd0 *controlq .*> START stream 0 .*virtsnd_pcm_trigger' snd.transcript ||
        fail "the transcript does not say that a stream starts"
    grep -m 1 'snd0 *txq .*> ' snd.transcript || fail "the transcript does not tell of what was played"
    cmp -n 1048576 -i 0:1048576 disk.img disk.img
    cmp folder/in folder/out
}

# Sockets, and keys.
others() {
    attached=()
    device vsock v
    socat -t 600 UNIX-LISTEN:v_1003 PIPE &
    device input kind=keyboard,socket=keys
    attach vsock vhost-user-vsock-pci
    attach input vhost-user-input-pci
    qemu outboard vsock input
    done_job outboard
    devices_end
}

# Stopped and continued in mid-tone: no frame is lost or doubled.
paused() {
    attached=()
    device snd host=file,path=heard.wav
    attach snd vhost-user-snd-pci
    qemu outboard snd
    wait_for "$seconds_max" recorded heard.wav 100000
    monitor stop
    local before
    before=$(stat -c %s heard.wav)
    sleep 3
    [ "$(stat -c %s heard.wav)" = "$before" ] || fail "it is recorded while the machine stands still"
    monitor cont
    done_job outboard
    devices_end
    same_sound heard.wav
}

# Reset in mid-tone, twice; the next life plays all of it, behind what there is.
reset() {
    local before=0
    at_reset=reset
    attached=()
    device snd host=file,path=heard.wav
    attach snd vhost-user-snd-pci
    qemu outboard snd
    for _ in 1 2; do
        wait_for "$seconds_max" recorded heard.wav $((before + 100000))
        monitor system_reset
        before=$(stat -c %s heard.wav)
    done
    done_job outboard
    devices_end
    same_end heard.wav
}

# QEMU is killed in mid-tone, and another one comes; then the device is killed, and a new one started.
killed() {
    attached=()
    device snd host=file,path=heard.wav
    attach snd vhost-user-snd-pci
    qemu outboard snd
    wait_for "$seconds_max" recorded heard.wav 100000
    pkill -KILL -P "$machine" # that which timeout runs
    wait "$machine" || true
    qemu outboard snd hold
    wait_for "$seconds_max" said snd
    kill -KILL "${pids[0]}"
    wait "${pids[0]}" || true
    pids=()
    kill -0 "$machine" || fail "QEMU ended with its device"
    kill "$machine"
    wait "$machine" || true
    device snd host=file,path=again.wav
    qemu outboard snd
    done_job outboard
    devices_end
    same_end heard.wav
    same_sound again.wav
}

# QEMU 7.2, as Debian 12 has it, passes on features otherwise, and knows less.
old_qemu() {
    emulator=qemu-system-x86_64
    attached=()
    rng_disk_share
    qemu outboard rng disk share
    done_job outboard
    devices_end
    cmp -n 1048576 -i 0:1048576 disk.img disk.img
    cmp folder/in folder/out
}

# event_or_end PID: what plays waits for an event, or has ended.
event_or_end() {
    grep -q '^played 0' said || ! kill -0 "$1" 2>/dev/null
}

# By the crate that cloud-hypervisor uses, in its order, without a guest: half of it is paused.
rust_vmm() {
    local player
    "$top/tests/rust_vmm/build.sh"
    device snd host=file,path=heard.wav,jacks=mic --control snd.control
    timeout "$seconds_max" "$top/build/rust_vmm/debug/front" snd.sock "$tone" >said 2>&1 &
    player=$!
    wait_for "$seconds_max" event_or_end "$player"
    "$linnet" control snd.control snd0 jack 0 unplug
    wait "$player" || fail "status $?: $(cat said)"
    cat said
    grep -qx 'event (1001, 0)' said || fail "another event"
    devices_end
    sox "$tone" "$tone" twice.wav
    "$linnet" listen --same-as twice.wav heard.wav
}

[ "$arch" = x86_64 ] || { skipped device/qemu "the guests are x86_64's" && finish; }
[ $# -gt 0 ] || set -- qemu
run_case device/prepare prepare
for case; do
    case $case in
    *-11) emulator=$("$top/guests/peer.sh" qemu) || emulator= ;;
    *) emulator=$(cat "$made/qemu") ;;
    esac
    case ${case%-11} in
    qemu) run_case "device/$case" in_folder kinds ;;
    pause) run_case "device/$case" in_folder paused ;;
    reset) run_case "device/$case" in_folder reset ;;
    killed) run_case "device/$case" in_folder killed ;;
    others) run_case "device/$case" in_folder others ;;
    old) run_case device/old in_folder old_qemu ;;
    rust) run_case device/rust in_folder rust_vmm ;;
    *) failed "device/$case" "no such case" ;;
    esac
done
finish

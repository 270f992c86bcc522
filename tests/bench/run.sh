#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# `make bench`: measures linnet, and QEMU beside it (its microvm; with ARCH=arm64 its virt). Prints
# "name value unit", a row a line, and keeps them in build/bench.txt.
#
# What is given in instructions comes from the rig's counting machine: its one CPU does one a
# nanosecond, so the run time of threads counts instructions, however fast or busy this machine is.
# (Its clock does not: it also jumps over what they wait for.) There a command runs twice; the
# second, with warm caches, counts.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
set -e
here=$top/tests/bench
made=$top/build/bench
case $arch in
arm64) guest=$top/build/guests/6.12-arm64 cc=aarch64-linux-gnu-gcc ;;
*) guest=$top/build/guests/6.12-amd64 cc=gcc ;;
esac
[ "$arch" != "$host" ] || cc=gcc
mem=(--mem 256)

prepare() {
    mkdir -p "$made/root"
    "$top/guests/fetch.sh" "${guest##*/}"
    "$cc" -O2 -static -o "$made/root/init" "$here/init.c"
    (cd "$made/root" && echo init | cpio --quiet -R 0:0 -H newc -o) >"$made/init.cpio"
    "$top/guests/mkinitramfs.sh" "${guest##*/}" "$made/sound.cpio"
}

# threads_ns PID PATTERN: how long those of its threads whose name matches have run, in all.
threads_ns() {
    local task sum=0 ns _
    for task in "/proc/$1"/task/*; do
        # shellcheck disable=SC2053 # a pattern
        [[ $(cat "$task/comm") == $2 ]] || continue
        read -r ns _ <"$task/schedstat"
        sum=$((sum + ns))
    done
    echo "$sum"
}

# background OPTION...: runs linnet, its process id in $pid.
background() {
    "$linnet" run "${mem[@]}" "$@" "$guest/vmlinuz" </dev/null >console &
    pid=$!
}

end_background() {
    kill "$pid"
    wait "$pid" || true # of the signal
}

# On this machine, whatever its KVM is: what linnet needs until the first guest instruction (then
# its main thread sleeps), and the memory it has beyond the guest's.
host_rows() {
    background --kvm any --initrd "$made/init.cpio" --rng --snd host=null
    sleep 1
    echo "start.cpu_until_guest $(($(threads_ns "$pid" '!(vcpu*)') / 1000)) us"
    awk '/^[0-9a-f]+-[0-9a-f]+ / { ram = /memfd:/ }
        /^Pss:/ && !ram { pss += $2 }
        /^Private_(Clean|Dirty):/ && !ram { own += $2 }
        END { print "memory.beyond_guest " pss " KiB"; print "memory.own_pages " own " KiB" }' \
        "/proc/$pid/smaps"
    end_background
}

# boot_row NAME STATUS COMMAND...: from exec to the end of a guest whose init reboots at once, all
# threads of the process and what its vCPUs ran.
boot_row() {
    local name=$1 want=$2 turn status ms TIMEFORMAT='%3U %3S'
    shift 2
    for turn in cold warm; do
        status=0
        { time timeout --foreground 60 "$@" </dev/null >"$turn" 2>errors; } 2>used || status=$?
        if [ "$status" != "$want" ] || ! grep -q '^bench: init' "$turn"; then
            echo "bench: $name: status $status: $(tail -n 1 "$turn" errors)" >&2
            return 1
        fi
    done
    ms=$(awk '{ printf "%.0f", 1000 * ($1 + $2) }' used)
    echo "boot.$name $ms Minstr" # 1 ms is a million instructions
}

boot_rows_arm64() {
    local run=("$linnet" run "${mem[@]}" --initrd "$made/init.cpio" --append quiet)
    # shellcheck disable=SC2054 # the commas are an argument of QEMU
    local qemu=(qemu-system-aarch64 -M virt,gic-version=3 -accel kvm -cpu host -m "${mem[1]}"
        -nodefaults -no-user-config -display none -no-reboot -serial stdio
        -initrd "$made/init.cpio" -append "console=ttyAMA0 quiet")
    boot_row linnet.image 32 "${run[@]}" "$guest/vmlinuz"
    boot_row qemu.image 0 "${qemu[@]}" -kernel "$guest/vmlinuz"
}

boot_rows() {
    local run=("$linnet" run "${mem[@]}" --initrd "$made/init.cpio" --append quiet)
    # shellcheck disable=SC2054 # the commas are an argument of QEMU
    local qemu=(qemu-system-x86_64 -M "microvm,acpi=off,pit=off,pic=off,rtc=off" -accel kvm
        -cpu host -m "${mem[1]}" -nodefaults -no-user-config -display none -no-reboot
        -serial stdio -initrd "$made/init.cpio" -append "console=ttyS0 quiet reboot=t")
    boot_row linnet.bzimage 32 "${run[@]}" "$guest/vmlinuz"
    boot_row linnet.vmlinux 32 "${run[@]}" "$guest/vmlinux"
    boot_row qemu_lean.bzimage 0 "${qemu[@]}" -kernel "$guest/vmlinuz"
}

# play SND: a guest that plays silence for ever, in periods of 10 ms.
play() {
    rm -f sound.wav
    background --initrd "$made/sound.cpio" --snd "$1" \
        --append "quiet linnet.job=play linnet.arg=/dev/zero,S16_LE,48000,2,480,1920"
    wait_for 60 played 1
}

# played SECONDS: has the recording so much?
played() {
    [ -e sound.wav ] && [ "$(stat -c %s sound.wav)" -ge $(($1 * 192000)) ]
}

# kvm_stat NAME: of the VM of $pid.
kvm_stat() {
    cat /sys/kernel/debug/kvm/"$pid"-*/"$1"
}

sound_rows() {
    local -A before after
    local stat
    play host=file,path=sound.wav
    for stat in exits mmio_exits; do before[$stat]=$(kvm_stat "$stat"); done
    before[vcpu]=$(threads_ns "$pid" 'vcpu*') before[rest]=$(threads_ns "$pid" '!(vcpu*)')
    sleep 10
    for stat in exits mmio_exits; do after[$stat]=$(kvm_stat "$stat"); done
    after[vcpu]=$(threads_ns "$pid" 'vcpu*') after[rest]=$(threads_ns "$pid" '!(vcpu*)')
    end_background
    echo "sound.vm_exits $(((after[exits] - before[exits]) / 10)) 1/s"
    echo "sound.mmio_exits $(((after[mmio_exits] - before[mmio_exits]) / 10)) 1/s"
    echo "sound.vcpu_and_guest $(((after[vcpu] - before[vcpu]) / 10000)) kinstr/s"
    echo "sound.other_threads $(((after[rest] - before[rest]) / 10000)) kinstr/s"
}

# How much faster than real time a guest can feed the free-running clock.
free_row() {
    local before
    play host=file,path=sound.wav,clock=free
    before=$(stat -c %s sound.wav)
    sleep 2
    echo "sound.free_running $((($(stat -c %s sound.wav) - before) / 2 / 192000)) x"
    end_background
}

work=$(mktemp -d)
cd "$work"
case ${1-} in
--inside)
    case $arch in
    arm64) boot_rows_arm64 ;;
    *) boot_rows ;;
    esac
    sound_rows
    free_row
    ;;
*)
    prepare
    {
        if [ "$arch" != "$host" ]; then
            echo "bench: no start.* and memory.* rows: this is no $arch host" >&2
        elif [ -w /dev/kvm ]; then
            host_rows
        else
            echo "bench: no start.* and memory.* rows: no /dev/kvm to write to" >&2
        fi
        "$top/tests/rig/rig.sh" --arch "$arch" --counting --out "$made/out" -- "$here/run.sh" --inside
    } | tee "$top/build/bench.txt"
    ;;
esac
rm -rf "$work"

#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Runs a command in the rig: an emulated machine (QEMU's TCG) with a real KVM, ALSA's Loopback card
# (x86_64: and Dummy), and the host's file system.
#
# With --arch x86_64 KVM is kvm_amd. With --arch arm64 it is a machine with EL2; where the host is
# not one, programs of that architecture (guests/userland.sh) lie over those of the host, so that
# scripts run there as they do here.
set -eu

usage="usage: rig.sh [--arch ARCH] [--counting] [--cpus N] [--mem MIB] [--timeout S] [--out DIR]
       [--gic 2|3] [--plugin FILE,KEY=VALUE...] -- CMD ARG..."
top=$(cd "$(dirname "$0")/../.." && pwd)
here=$top/tests/rig
# 9p says yes to a lock held by another mount; that, and the writes' order, is as on any network.
share=security_model=none,multidevs=remap

# Exit statuses of the rig itself; any other is the command's.
status_hung=123
status_timeout=124
status_broken=125

# The outer machine shows life once a second of its own time: how long, at most, until it first does,
# and between. A busy host takes many seconds for one of these.
start_seconds_max=300
beat_seconds_max=240
poke_seconds=10

die() {
    echo "rig: $*" >&2
    exit "$status_broken"
}

# number OPTION VALUE: the value if it is a number.
number() {
    [[ $2 =~ ^[0-9]{1,7}$ ]] || die "$1 wants a number, not '$2'"
    echo "$((10#$2))"
}

# make_initramfs: the outer machine's; plain files, because unpacking is slow there.
make_initramfs() {
    local root=$work/root name file

    mkdir -p "$root"/{bin,dev,proc,sys,modules}
    cp "$userland/bin/busybox" "$root/bin/busybox"
    install -m 755 "$here/init" "$root/init"
    for name in "${modules[@]}"; do
        modprobe -C /dev/null -d "$guest/modules" -S "$(cat "$guest/version")" \
            --show-depends "$name" || die "the kernel has no module $name"
    done | sed -n 's/^insmod //p' | awk '!seen[$1]++' >"$work/files"
    while read -r file; do
        xz -dc "$file" >"$root/modules/$(basename "$file" .xz)"
        basename "$file" .xz
    done <"$work/files" >"$root/modules/list"
    mkdir -p "$(dirname "$initramfs")"
    (cd "$root" && find . -mindepth 1 | cpio --quiet -R 0:0 -H newc -o) >"$initramfs.$$"
    mv "$initramfs.$$" "$initramfs" # at once: other rigs may be starting
}

# write_job CMD ARG...: the command, its folder and its environment, as a script for bash.
write_job() {
    {
        export -p
        printf 'cd %q || exit %d\n' "$PWD" "$status_broken"
        printf 'exec '
        printf '%q ' "$@"
        echo
    } >"$work/job.sh"
}

# make_preload: what mends a fault of QEMU's emulated SVM as it starts.
make_preload() {
    mkdir -p "$(dirname "$preload")"
    cc -D_GNU_SOURCE -O2 -shared -fPIC -o "$preload.$$" "$here/interrupt_once.c" ||
        die "interrupt_once.c can't be compiled"
    mv "$preload.$$" "$preload"
}

# start_outer: QEMU in the background, its process id in $qemu. It does not outlive this script, even
# when that is killed. In the pipe "alive" comes a line a second of the outer machine's time, and an end
# with QEMU's.
start_outer() {
    local args=(-m "$mem" -nodefaults -no-user-config -display none -no-reboot)
    local name words="quiet panic=-1 unknown_nmi_panic cryptomgr.notests=1 rig.job=$work/job.sh rig.out=$out"

    # shellcheck disable=SC2054 # the commas are QEMU's
    case $arch in
    # QEMU 7.2 gets the flags wrong that CMPXCHG16B leaves alone, and counts a byte of REP MOVSB for an
    # instruction: see README.md.
    x86_64) args+=(-M q35 -cpu max,-cx16,-erms,-fsrm -kernel "$guest/vmlinux" -append "console=ttyS0 $words") ;;
    arm64)
        args+=(-M "virt,virtualization=on,gic-version=$gic" -cpu max,pauth-impdef=on
            -kernel "$guest/vmlinuz"
            -append "console=ttyAMA0 $words${userland:+ rig.userland=yes}")
        ;;
    esac
    # shellcheck disable=SC2054
    if [ -n "$counting" ]; then
        args+=(-accel tcg,thread=single -icount shift=0,sleep=off -smp "$cpus")
    else # a thread for each CPU would now and then run code that another CPU has changed
        args+=(-accel tcg,thread=single -smp "$cpus")
    fi
    [ -z "$plugin" ] || args+=(-plugin "$plugin")
    args+=(-initrd "$initramfs" -chardev "pipe,id=monitor,path=$work/monitor" -mon monitor
        -virtfs "local,path=/,mount_tag=root,readonly=on,$share"
        -virtfs "local,path=${userland:-/},mount_tag=userland,readonly=on,$share"
        -virtfs "local,path=$out,mount_tag=out,$share"
        -chardev "file,id=console,path=$work/console" -serial chardev:console
        -device virtio-serial-pci)
    for name in stdout stderr status alive; do
        args+=(-chardev "file,id=$name,path=$work/$name"
            -device "virtserialport,chardev=$name,name=$name")
    done
    mkfifo "$work/monitor.in" "$work/monitor.out"
    exec 6<>"$work/monitor.in" # does not wait for a reader
    setpriv --pdeathsig KILL env ${preload:+LD_PRELOAD="$preload"} "$qemu_program" "${args[@]}" \
        </dev/null >"$work/qemu.log" 2>&1 6>&- 7>&- 8>&- 9>"$work/alive" &
    qemu=$!
    exec 9<"$work/alive"
}

# watch: waits for QEMU's end, and tells what else there was: "hung", "timeout". A silent QEMU gets an
# empty line on its monitor now and then: one whose main loop sleeps through a deadline wakes up.
watch() {
    local silence=0 patience=$start_seconds_max
    SECONDS=0
    while [ "$limit" = 0 ] || [ "$SECONDS" -lt "$limit" ]; do
        if read -r -t "$poke_seconds" -u 9; then
            silence=0 patience=$beat_seconds_max
        elif [ $? -le 128 ]; then
            return
        else
            silence=$((silence + poke_seconds))
            if [ "$silence" -ge "$patience" ]; then
                echo hung
                return
            fi
            echo >&6
        fi
    done
    echo timeout
}

# last_words: what the outer machine is at, and QEMU's threads, twice; then an NMI, of which its
# kernel panics, with a backtrace on its console.
last_words() {
    local turn
    timeout 30 sed '/\x1b\|^[XY]MM\|^FPR/d' "$work/monitor.out" 6>&- &
    for turn in 1 2; do
        echo "-- $turn: QEMU's threads, and registers"
        ps -L -o lwp=,stat=,time=,wchan:20=,comm= -p "$qemu" || true
        echo info registers -a >&6
        sleep 2
    done
    echo nmi >&6
    sleep 10
    kill -KILL "$qemu" || true
    wait $! || true
    show_console
}

show_console() {
    tail -n 60 "$work/console" "$work/qemu.log"
}

# shellcheck disable=SC2317 # run by trap
cleanup() {
    trap '' HUP INT TERM
    exec 2>/dev/null 7>&- 8>&- # without the shell's own words on what is killed here
    [ -z "$qemu" ] || kill -KILL "$qemu" || true
    wait
    rm -rf "$work" "$initramfs.$$"
}

plugin='' counting='' cpus='' mem=3072 limit=900 out=$top/build/rig-out gic=3
host=$(uname -m) && host=${host/aarch64/arm64} arch=$host
while [ $# -gt 0 ]; do
    case $1 in --arch | --cpus | --mem | --timeout | --out | --gic | --plugin) [ $# -ge 2 ] || die "$usage" ;; esac
    case $1 in
    --arch) arch=$2; shift 2 ;;
    --gic) gic=$(number "$1" "$2"); shift 2 ;;
    --plugin) plugin=$2; shift 2 ;;
    --counting) counting=yes; shift ;;
    --cpus) cpus=$(number "$1" "$2"); shift 2 ;;
    --mem) mem=$(number "$1" "$2"); shift 2 ;;
    --timeout) limit=$(number "$1" "$2"); shift 2 ;;
    --out) out=$2; shift 2 ;;
    --) shift; break ;;
    *) die "$usage" ;;
    esac
done
[ $# -gt 0 ] || die "$usage"

if [ -n "$counting" ]; then cpus=${cpus:-1}; else cpus=${cpus:-2}; fi
modules=(virtio_pci 9p 9pnet_virtio overlay loop ext4 snd-aloop tun uinput evdev)
userland= # whose programs the outer machine has over the host's, if the host's are not for it
case $arch in
x86_64) debian=amd64 qemu_program=qemu-system-x86_64 modules+=(kvm-amd snd-dummy vhost_net vhost_vsock) ;;
arm64) debian=arm64 qemu_program=qemu-system-aarch64 ;;
*) die "--arch wants x86_64 or arm64, not '$arch'" ;;
esac
[ "$arch" = "$host" ] || userland=$top/build/guests/userland-$debian
guest=$top/build/guests/6.12-$debian
initramfs=$top/build/rig/outer-$arch.cpio
PATH=$PATH:/usr/sbin:/sbin
for tool in "$qemu_program" busybox cpio xz modprobe; do
    command -v "$tool" >/dev/null || die "$tool is missing: run tests/deps.sh"
done
"$top/guests/fetch.sh" "6.12-$debian" || die "no kernel for the outer machine"
"$top/guests/userland.sh" "$debian" || die "no programs for the outer machine"
mkdir -p "$out" || die "no folder for results"
out=$(cd "$out" && pwd)
work=$(mktemp -d)
qemu='' preload=''
trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
case $out$work in
*[[:space:],]*) die "the name of a folder has a blank or a comma in it: $out $work" ;;
esac

for input in "$here/init" "$here/rig.sh" "$guest/version"; do
    if [ "$input" -nt "$initramfs" ]; then
        make_initramfs
        break
    fi
done
if [ "$arch $host" = "x86_64 x86_64" ]; then
    preload=$top/build/rig/interrupt_once.so
    [ "$preload" -nt "$here/interrupt_once.c" ] || make_preload
fi
write_job "$@"

# The pipes are held open here until QEMU has ended, so that nobody waits for a QEMU that failed
# to start. If the reader of our output goes away, the rest is thrown away.
mkfifo "$work/stdout" "$work/stderr" "$work/alive"
exec 7<>"$work/stdout" 8<>"$work/stderr"
{ cat || cat >/dev/null; } <"$work/stdout" 2>/dev/null 7>&- 8>&- &
{ cat >&2 || cat >/dev/null; } <"$work/stderr" 7>&- 8>&- &
start_outer
end=$(watch) result=0
[ -z "$end" ] || last_words >"$out/rig-hung.log" 2>&1 7>&- 8>&- 9<&-
wait "$qemu" || result=$?
qemu=
exec 6>&- 7>&- 8>&- 9<&-
wait
grep '^interrupt_once:' "$work/qemu.log" >&2 || true # it could not mend this QEMU

status=()
[ ! -e "$work/status" ] || mapfile -t status <"$work/status" # "up", then the command's status
[ -z "${status[1]-}" ] || exit "${status[1]}"
case $end in
hung)
    echo "rig: the outer machine hangs, see $out/rig-hung.log" >&2
    exit "$status_hung"
    ;;
timeout)
    echo "rig: time limit of $limit s reached, see $out/rig-hung.log" >&2
    exit "$status_timeout"
    ;;
esac
show_console >&2 || true
case ${status[0]-} in
up) die "the outer machine died (QEMU's status $result); its console is above" ;;
*) die "the outer machine did not come up (QEMU's status $result); its console is above" ;;
esac

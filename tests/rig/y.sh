#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Runs a command in the rig: an emulated machine (QEMU's TCG) with a real kvm_amd, the ALSA cards
# Loopback and Dummy, and the host's file system. README.md next to this file tells how it works.
set -eu

usage="usage: rig.sh [--counting] [--cpus N] [--mem MIB] [--timeout S] [--out DIR] -- CMD ARG..."
top=$(cd "$(dirname "$0")/../.." && pwd)
here=$top/tests/rig
guest=$top/build/guests/6.12-amd64
initramfs=$top/build/rig/outer.cpio

modules=(virtio_pci 9p 9pnet_virtio overlay kvm-amd snd-aloop snd-dummy)
# 9p says yes to a lock held by another mount; that, and the writes' order, is as on any network.
share=security_model=none,multidevs=remap

# Exit statuses of the rig itself; any other is the command's.
status_timeout=124
status_broken=125

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
    cp "$(command -v busybox)" "$root/bin/busybox"
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

# start_outer: QEMU in the background, its timeout's process id in $qemu. Two guards see to it that
# no QEMU outlives this script, even when it is killed.
start_outer() {
    local args=(-M q35 -cpu max -m "$mem" -nodefaults -no-user-config -display none -no-reboot)
    local name

    # shellcheck disable=SC2054 # the commas are QEMU's
    if [ -n "$counting" ]; then
        args+=(-accel tcg,thread=single -icount shift=0,sleep=off -smp 1)
    else
        args+=(-accel tcg,thread=multi -smp "$cpus")

    fi
    args+=(-kernel "$guest/vmlinux" -initrd "$initramfs"
        -append "console=ttyS0 quiet panic=-1 cryptomgr.notests=1 $EXTRA rig.job=$work/job.sh rig.out=$out"
        -virtfs "local,path=/,mount_tag=root,readonly=on,$share"
        -virtfs "local,path=$out,mount_tag=out,$share"
        -chardev "file,id=console,path=$work/console" -serial chardev:console
        -device virtio-serial-pci)
    for name in stdout stderr status; do
        args+=(-chardev "file,id=$name,path=$work/$name"
            -device "virtserialport,chardev=$name,name=$name")
    done
    setpriv --pdeathsig KILL timeout --kill-after 5 "$limit" \
        setpriv --pdeathsig KILL qemu-system-x86_64 "${args[@]}" \
        </dev/null >"$work/qemu.log" 2>&1 7>&- 8>&- &
    qemu=$!
}

# shellcheck disable=SC2317 # run by trap
cleanup() {
    trap '' HUP INT TERM
    exec 2>/dev/null 7>&- 8>&- # without the shell's own words on what is killed here
    [ -z "$qemu" ] || kill -KILL "$qemu" || true
    wait
    rm -rf "$work" "$initramfs.$$"
}

counting='' cpus='' mem=3072 limit=900 out=$top/build/rig-out
while [ $# -gt 0 ]; do
    case $1 in --cpus | --mem | --timeout | --out) [ $# -ge 2 ] || die "$usage" ;; esac
    case $1 in
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
if [ -n "$counting" ] && [ "${cpus:-1}" != 1 ]; then die "--counting has one CPU"; fi
cpus=${cpus:-2}
PATH=$PATH:/usr/sbin:/sbin
for tool in qemu-system-x86_64 busybox cpio xz modprobe; do
    command -v "$tool" >/dev/null || die "$tool is missing: run tests/deps.sh"
done
"$top/guests/fetch.sh" 6.12-amd64 || die "no kernel for the outer machine"
mkdir -p "$out" || die "no folder for results"
out=$(cd "$out" && pwd)
work=$(mktemp -d)
qemu=
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
write_job "$@"

# The pipes are held open here until QEMU has ended, so that nobody waits for a QEMU that failed
# to start. If the reader of our output goes away, the rest is thrown away.
mkfifo "$work/stdout" "$work/stderr"
exec 7<>"$work/stdout" 8<>"$work/stderr"
{ cat || cat >/dev/null; } <"$work/stdout" 2>/dev/null 7>&- 8>&- &
{ cat >&2 || cat >/dev/null; } <"$work/stderr" 7>&- 8>&- &
SECONDS=0
start_outer
result=0
wait "$qemu" || result=$?
qemu=
exec 7>&- 8>&-
wait

status=()
[ ! -e "$work/status" ] || mapfile -t status <"$work/status" # "up", then the command's status
[ -z "${status[1]-}" ] || exit "${status[1]}"
if [ "$limit" != 0 ] && [ "$SECONDS" -ge "$limit" ]; then
    echo "rig: time limit of $limit s reached" >&2
    exit "$status_timeout"
fi
cat "$work/console" "$work/qemu.log" >"$out/rig-console.log" 2>/dev/null || true
case ${status[0]-} in
up) die "the outer machine died (QEMU's status $result): see $out/rig-console.log" ;;
*) die "the outer machine did not come up (QEMU's status $result): see $out/rig-console.log" ;;
esac

#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Runs a command in the rig: an emulated machine (QEMU's TCG) with a real kvm_amd, the ALSA cards
# Loopback and Dummy, and the host's file system. See README.md next to this file.
set -eu

usage="usage: rig.sh [--counting] [--cpus N] [--mem MIB] [--timeout S] [--out DIR] -- CMD ARG..."
top=$(cd "$(dirname "$0")/../.." && pwd)
here=$top/tests/rig
kernel=6.12-amd64
guest=$top/build/guests/$kernel

# Exit statuses of the rig itself; any other is the command's.
status_timeout=124
status_broken=125

modules=(virtio_pci 9p 9pnet_virtio overlay kvm-amd snd-aloop snd-dummy)

die() {
    echo "rig: $*" >&2
    exit "$status_broken"
}

# make_initramfs OUT: the outer machine's, kept until this folder or the kernel changes.
make_initramfs() {
    local root name file version

    version=$(cat "$guest/version")
    root=$work/root
    mkdir -p "$root"/{bin,dev,proc,sys,modules}
    cp "$(command -v busybox)" "$root/bin/busybox"
    install -m 755 "$here/init" "$root/init"
    for name in "${modules[@]}"; do
        modprobe -C /dev/null -d "$guest/modules" -S "$version" --show-depends "$name" ||
            die "the kernel has no module $name"
    done | sed -n 's/^insmod //p' | awk '!seen[$1]++' >"$work/files"
    while read -r file; do
        xz -dc "$file" >"$root/modules/$(basename "$file" .xz)"
        basename "$file" .xz
    done <"$work/files" >"$root/modules/list"
    (cd "$root" && find . -mindepth 1 | cpio --quiet -R 0:0 -H newc -o) >"$work/cpio"
    mv "$work/cpio" "$1"
}

# The command, its folder and its environment, as a script for bash in the outer machine.
write_job() {
    {
        export -p
        printf 'cd %q || exit 125\n' "$PWD"
        printf 'exec '
        printf '%q ' "$@"
        echo
    } >"$work/job.sh"
}

counting='' cpus='' mem=3072 limit=900 out=$top/build/rig-out
while [ $# -gt 0 ]; do
    case $1 in
    --counting) counting=yes && shift ;;
    --cpus) cpus=${2?$usage} && shift 2 ;;
    --mem) mem=${2?$usage} && shift 2 ;;
    --timeout) limit=${2?$usage} && shift 2 ;;
    --out) out=${2?$usage} && shift 2 ;;
    --) shift && break ;;
    *) die "$usage" ;;
    esac
done
[ $# -gt 0 ] || die "$usage"
PATH=$PATH:/usr/sbin:/sbin
for tool in qemu-system-x86_64 busybox cpio xz modprobe; do
    command -v "$tool" >/dev/null || die "$tool is missing: run tests/deps.sh"
done
"$top/guests/fetch.sh" "$kernel" || die "no kernel for the outer machine"
mkdir -p "$top/build/rig" "$out"
out=$(cd "$out" && pwd)

work=$(mktemp -d)
qemu=
# shellcheck disable=SC2317 # run by trap
cleanup() {
    trap '' HUP INT TERM
    [ -z "$qemu" ] || kill "$qemu" 2>/dev/null || true
    wait
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

initramfs=$top/build/rig/outer.cpio
for input in "$here/init" "$here/rig.sh" "$guest/version"; do
    if [ "$input" -nt "$initramfs" ]; then
        make_initramfs "$initramfs"
        break
    fi
done
write_job "$@"

if [ -n "$counting" ]; then
    # shellcheck disable=SC2054 # commas are QEMU's
    accel=(-accel tcg,thread=single -icount shift=0,sleep=off -smp 1)
else
    # shellcheck disable=SC2054
    accel=(-accel tcg,thread=multi -smp "${cpus:-2}")
fi
mkfifo "$work/stdout" "$work/stderr"
cat "$work/stdout" &
cat "$work/stderr" >&2 &
setpriv --pdeathsig TERM timeout --kill-after 5 "$limit" \
    setpriv --pdeathsig KILL qemu-system-x86_64 -M q35 -cpu max "${accel[@]}" -m "$mem" \
    -nodefaults -display none -vga none -no-reboot -no-user-config \
    -kernel "$guest/vmlinuz" -initrd "$initramfs" \
    -append "console=ttyS0 quiet panic=-1 rig.job=$work/job.sh rig.out=$out" \
    -virtfs local,path=/,security_model=none,mount_tag=root,readonly=on,multidevs=remap \
    -virtfs "local,path=$out,security_model=none,mount_tag=out,multidevs=remap" \
    -chardev "file,id=console,path=$work/console" -serial chardev:console \
    -device virtio-serial-pci \
    -chardev "file,id=stdout,path=$work/stdout" -device virtserialport,chardev=stdout,name=stdout \
    -chardev "file,id=stderr,path=$work/stderr" -device virtserialport,chardev=stderr,name=stderr \
    -chardev "file,id=status,path=$work/status" -device virtserialport,chardev=status,name=status \
    </dev/null >"$work/qemu.log" 2>&1 &
qemu=$!
result=0
wait "$qemu" || result=$?
qemu=
wait
[ "$result" != 124 ] || { echo "rig: time limit of $limit s reached" >&2 && exit "$status_timeout"; }
status=()
[ ! -e "$work/status" ] || mapfile -t status <"$work/status"
[ -z "${status[1]-}" ] || exit "${status[1]}"
cat "$work/console" "$work/qemu.log" >"$out/rig-console.log"
die "the outer machine ended early (qemu status $result): see $out/rig-console.log"

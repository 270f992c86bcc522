#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# `make demo`: sets everything up, boots a stock Debian kernel under linnet, where aplay plays a
# tone into a virtio sound device, and says what linnet hears in the recording. Exit status 0 only
# if that is sample for sample what was played.
#
# With ARCH=arm64 on another host: everything for arm64, in an emulated machine.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"
host=$(uname -m)
host=${host/aarch64/arm64}
arch=${ARCH:-$host}
case $arch in
arm64) kernel=build/guests/6.12-arm64 here=(qemu-aarch64) ;;
*) kernel=build/guests/6.12-amd64 here=() ;;
esac
[ "$arch" != "$host" ] || here=() # what runs the program on this very machine
tone=build/demo/tone.wav
run=("$top/build/$arch-release/linnet" run --initrd "$top/build/demo/initramfs"
    --append "quiet linnet.job=tone" --snd "host=file,path=$top/$tone" "$top/$kernel/vmlinuz")

say() {
    printf '\n== %s\n' "$*"
}

mkdir -p build/demo
rm -f build/demo/tone*
say "set-up"
tests/deps.sh build guest
say "build"
make -j2 --no-print-directory >build/demo/make.log 2>&1 ||
    { tail build/demo/make.log >&2 && exit 1; }
ls -l "${run[0]}"
say "guest"
guests/fetch.sh "${kernel##*/}"
guests/mkinitramfs.sh "${kernel##*/}" build/demo/initramfs
echo "stock kernel $(cat $kernel/package)"

if [ "$arch" = "$host" ] && "${run[0]}" doctor --kvm; then
    say "boot; the guest plays 440 Hz for 2 s"
    "${run[@]}" </dev/null
else
    say "boot, in the rig: an emulated machine with a KVM of its own, as this one's can't boot it"
    tests/rig/rig.sh --arch "$arch" --counting --out build/demo -- "${run[@]}"
fi

say "what linnet hears in $tone"
"${here[@]}" "${run[0]}" listen --same-as build/guests/tone.wav "$tone"
sox "$tone" -n rate 6k spectrogram -x 500 -y 129 -t "what linnet heard" -c "" -o "${tone%.wav}.png"
say "a picture of it is ${tone%.wav}.png"

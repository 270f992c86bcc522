#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Makes an initramfs for an inner guest: the same input gives the same bytes.
#
#   guests/mkinitramfs.sh KERNEL OUT [RECIPE]
#
# KERNEL is a folder name under build/guests (guests/fetch.sh gets it). Recipes:
#   sound   (default) busybox, virtio modules, virtio-snd where the kernel has it, the watchdogs' drivers,
#           alsa-utils and /tone.wav; the same tone is left for the host as build/guests/tone.wav
#   boot    busybox and the virtio modules alone: small, for tests and measurements of booting
#   pipewire  as sound, with PipeWire in the place of alsa-utils
#   disk    as boot, with virtio-blk and ext4
#   share   as boot, with virtio-fs and overlayfs
#   net     as boot, with virtio-net and ethtool
#   iperf   as net, with iperf3
#   input   as boot, with virtio-input, and with virtio-pmem and ext4
#   vsock   as boot, with virtio-vsock and socat
#   pci     as boot, with lspci and setpci
#   kexec   as boot, with virtio-fs and kexec
#   talk    as sound, with what all the others have: for tests/replay/record.sh
#   linnet  busybox, KVM of Intel CPUs, and linnet as this tree has built it
# guests/init and guests/jobs/ say what runs inside. guests/addfiles.sh adds files afterwards.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
here=$top/guests

bus_modules=(virtio_mmio virtio_pci virtio-rng virtio_console virtio_balloon pvpanic-mmio button)
sound_modules=(virtio_snd wdat_wdt sp805_wdt)
sound_tools=(aplay amixer alsactl speaker-test alsabat)

die() {
    echo "mkinitramfs.sh: $*" >&2
    exit 1
}

# add_modules ROOT NAME...: the modules, unpacked, and for each name a file that lists what to
# load in which order. A name that this kernel has built in gets an empty list, one that it does
# not have gets none.
add_modules() {
    local root=$1 name file base
    shift
    mkdir -p "$root/modules"
    for name; do
        modprobe -C /dev/null -d "$guest/modules" -S "$version" --show-depends "$name" \
            >"$work/depends" 2>/dev/null || continue
        sed -n 's/^insmod //p' "$work/depends" >"$work/files"
        : >"$root/modules/$name.list"
        while read -r file; do
            base=$(basename "$file" .xz)
            case $file in
            *.xz) xz -dc "$file" >"$root/modules/$base" ;;
            *) cp "$file" "$root/modules/$base" ;;
            esac
            echo "$base" >>"$root/modules/$name.list"
        done <"$work/files"
    done
}

# program NAME: where it is below $programs.
program() {
    local folder
    for folder in /usr/bin /usr/sbin /bin /sbin; do
        [ ! -e "$programs$folder/$1" ] || { echo "$folder/$1" && return; }
    done
    die "$1 is missing: run tests/deps.sh"
}

# needed FILE: its interpreter and the libraries that it names, where they are below $programs. (ldd
# can't look at programs of another architecture.)
needed() {
    local name folder
    readelf -l "$programs$1" | sed -n 's/.*interpreter: \(.*\)\]/\1/p'
    for name in $(readelf -d "$programs$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
        for folder in "/lib/$triplet" "/usr/lib/$triplet"; do
            if [ -e "$programs$folder/$name" ]; then
                echo "$folder/$name"
                break
            fi
        done
    done
}

# add_program ROOT PATH: a program and the libraries it needs, under the same names.
add_program() {
    local root=$1 file more
    local files=("$2")
    while [ ${#files[@]} -gt 0 ]; do
        file=${files[0]} files=("${files[@]:1}")
        [ ! -e "$root$file" ] || continue
        mkdir -p "$root$(dirname "$file")"
        cp -L "$programs$file" "$root$file"
        mapfile -t more < <(needed "$file")
        files+=("${more[@]}")
    done
}

# 440 Hz for 2 s; the channels differ in level, so that a swap of the two is seen.
make_tone() {
    sox -D -n -r 48000 -c 2 -b 16 "$1" synth 2 sine 440 remix 1v0.5 1v0.25
}

add_sound() {
    local root=$1 tool
    add_modules "$root" "${sound_modules[@]}"
    for tool in "${sound_tools[@]}"; do
        add_program "$root" "$(program "$tool")"
    done
    add_program "$root" "/lib/$triplet/libgcc_s.so.1" # which alsabat's threads load when they end
    ln -s aplay "$root$(dirname "$(program aplay)")/arecord"
    mkdir -p "$root/usr/share"
    cp -RL /usr/share/alsa "$root/usr/share/alsa"
    rm -rf "$root"/usr/share/alsa/{ucm,ucm2,topology,speaker-test,init}
    find "$root/usr/share/alsa/cards" -type f ! -name aliases.conf -delete
    make_tone "$root/tone.wav"
    cp "$root/tone.wav" "$work/tone.wav"
    # Others may be reading it.
    cmp -s "$work/tone.wav" "$top/build/guests/tone.wav" || mv "$work/tone.wav" "$top/build/guests/tone.wav"
}

add_pipewire() {
    "$here/pipewire.sh"
    cp -a "$top/build/guests/pipewire/." "$1"
    add_modules "$1" "${sound_modules[@]}"
    make_tone "$1/tone.wav"
}

# What linnet loads when it is needed, it does not name as needed.
add_linnet() {
    local program=$top/build/x86_64-release/linnet
    [ -x "$program" ] || die "$program is not built: run make"
    add_modules "$1" kvm-intel
    add_program "$1" "$program"
    add_program "$1" "/lib/$triplet/libsndfile.so.1"
    add_program "$1" "/lib/$triplet/libfftw3.so.3"
    ln -s "$program" "$1/bin/linnet"
}

# pack ROOT: the folder as a cpio, to standard output; order, owner, time, inodes are fixed. It is not
# compressed: that boots in the fewest instructions (the sound recipe under QEMU, counted in the rig:
# 4.7 G so, 5.2 G with zstd -19 or gzip -9).
pack() {
    find "$1" -exec touch -h -d @0 {} +
    (cd "$1" && find . -mindepth 1 | LC_ALL=C sort |
        cpio --quiet --reproducible -R 0:0 -H newc -o)
}

case $# in
2 | 3) ;;
*) die "usage: mkinitramfs.sh KERNEL OUT [sound|boot|pipewire|disk|share|net|iperf|input|vsock|talk|pci|kexec|linnet]" ;;
esac
kernel=$1 out=$2 recipe=${3:-sound}
PATH=$PATH:/usr/sbin:/sbin
guest=$top/build/guests/$kernel
[ -e "$guest/version" ] || die "no build/guests/$kernel: run guests/fetch.sh $kernel"
version=$(cat "$guest/version")
case ${kernel##*-} in
arm64) triplet=aarch64-linux-gnu ;;
*) triplet=x86_64-linux-gnu ;;
esac
programs= # root of the programs for the guest
if [ "${kernel##*-}" != "$(dpkg --print-architecture)" ]; then
    "$here/userland.sh" "${kernel##*-}"
    programs=$top/build/guests/userland-${kernel##*-}
fi

work=$(mktemp -d "$top/build/guests/.initramfs.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
umask 022
root=$work/root

mkdir "$root"
[ "$recipe" != pipewire ] || add_pipewire "$root"
mkdir -p "$root"/{bin,dev,proc,sys,tmp,jobs}
cp "$programs$(program busybox)" "$root/bin/busybox"
ln -s busybox "$root/bin/sh"
install -m 755 "$here/init" "$root/init"
install -m 644 "$here"/jobs/*.sh "$root/jobs/"
add_modules "$root" "${bus_modules[@]}"
case $recipe in
boot | pipewire) ;;
disk) add_modules "$root" virtio_blk ext4 ;;
share) add_modules "$root" virtiofs overlay ;;
net | iperf)
    add_modules "$root" virtio_net af_packet # the latter for DHCP
    add_program "$root" "$(program ethtool)"
    [ "$recipe" = net ] || add_program "$root" "$(program iperf3)"
    ;;
input) add_modules "$root" virtio_input evdev virtio_pmem nd_pmem ext4 ;;
vsock)
    add_modules "$root" vmw_vsock_virtio_transport
    add_program "$root" "$(program socat)"
    ;;
pci) for tool in lspci setpci; do add_program "$root" "$(program "$tool")"; done ;;
kexec)
    add_modules "$root" virtiofs
    add_program "$root" "$(program kexec)"
    ;;
sound) add_sound "$root" ;;
talk)
    add_sound "$root"
    add_modules "$root" virtio_blk virtiofs virtio_net virtio_input evdev virtio_pmem nd_pmem \
        vmw_vsock_virtio_transport
    add_program "$root" "$(program socat)"
    ;;
linnet) add_linnet "$root" ;;
*) die "unknown recipe '$recipe': sound, boot, pipewire, disk, share, net, iperf, input, vsock, talk, pci, kexec or linnet" ;;
esac

mkdir -p "$(dirname "$out")"
pack "$root" >"$work/cpio"
mv "$work/cpio" "$out"

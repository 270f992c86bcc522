#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Installs what building and testing need on Debian 12, if it is missing.
#
#   tests/deps.sh [build|guest|test|arm64|kernel|vtx|soak|all]...    all is the default
#
# kernel is for `make kernel-of`, which builds one, vtx for `make vtx`, which builds an emulator, soak
# for `make soak`; they are not part of all.
# arm64 is what another machine needs to build and test linnet for arm64 (make ARCH=arm64): a cross
# compiler, multiarch libraries, emulators. With ARCH=arm64 in the environment it is always meant.
# With everything there it needs neither network nor root.
set -eu

# Also what the program runs with: alsa-lib, libsndfile, libfdt, jansson, FFTW,
# and what unpacks a kernel.
build=(gcc make pkg-config
    libasound2-dev libsndfile1-dev libfdt-dev libjansson-dev libfftw3-dev
    libzstd-dev liblzma-dev liblz4-dev zlib1g-dev liburing-dev
    musl-dev)                            # init of guests that run a command

# To boot guests, here and in the rig.
guest=(busybox-static cpio kmod          # initramfs of a guest
    e2fsprogs                            # disks of a guest
    qemu-system-common qemu-utils        # others that serve a guest's devices, and qcow2
    passt iproute2 dnsmasq-base          # networks of a guest
    pciutils ethtool                     # looks at a guest's PCI bus, and its rings
    xz-utils zstd lz4 gzip               # kernels and modules are packed with these
    binutils                             # what libraries a program of the guest needs
    alsa-utils sox)                      # sound in the guest and outside
case $(dpkg --print-architecture) in     # the rig
arm64) guest+=(qemu-system-arm) ;;
*) guest+=(qemu-system-x86) ;;
esac

test=(check libsubunit-dev               # unit tests
    libxml2-utils                        # judges JUnit files
    acpica-tools device-tree-compiler    # machine tables, read by others
    socat                                # a client of sockets that is not ours
    clang libclang-rt-14-dev clang-format clang-tidy cppcheck shellcheck)

kernel=(flex bison bc libelf-dev cpio xz-utils zstd)

soak=(mmdebstrap uidmap iperf3           # a Debian to boot, a load for networks
    kexec-tools                          # a guest that goes on with another kernel
    fio dropbear-bin)                    # run by a guest from the root of this host

vtx=(g++ bochsbios vgabios isolinux syslinux-common xorriso)

# libfdt-dev is for one architecture at a time; its headers are for all.
arm64=(gcc-aarch64-linux-gnu qemu-user qemu-system-arm libfdt-dev)
for package in libasound2-dev libsndfile1-dev libfdt1 libjansson-dev libfftw3-dev \
    libzstd-dev liblzma-dev liblz4-dev zlib1g-dev liburing-dev musl-dev check libsubunit-dev; do
    arm64+=("$package:arm64")
done

# missing PACKAGE...: those of them that are not installed for this machine's architecture (the
# same package may be there for another one too).
missing() {
    local package arch
    for package; do
        arch=$(dpkg --print-architecture)
        case $package in *:*) arch=${package#*:} ;; esac
        dpkg-query -W -f '${db:Status-Status} ${Architecture}\n' "$package" 2>/dev/null |
            grep -qxE "installed ($arch|all)" || echo "$package"
    done
}

# install PACKAGE...: as root or by sudo, with fresh package lists only where the old ones fail.
install() {
    local root=(env DEBIAN_FRONTEND=noninteractive)
    local ask=(-n)
    if [ -t 0 ]; then ask=(); fi # someone there to type a password
    if [ "$(id -u)" != 0 ]; then root=(sudo "${ask[@]}" "${root[@]}"); fi
    local get=("${root[@]}" apt-get -q -y)
    case " $* " in *:arm64\ *)
        dpkg --print-foreign-architectures | grep -qx arm64 ||
            "${root[@]}" dpkg --add-architecture arm64
        ;;
    esac
    "${get[@]}" install --no-install-recommends "$@" && return
    "${get[@]}" update && "${get[@]}" install --no-install-recommends "$@"
}

if [ "${ARCH-}" = arm64 ] && [ "$(dpkg --print-architecture)" != arm64 ]; then
    set -- "${@:-all}" arm64
fi
wanted=()
for part in "${@:-all}"; do
    case $part in
    build) wanted+=("${build[@]}") ;;
    guest) wanted+=("${guest[@]}") ;;
    test) wanted+=("${test[@]}") ;;
    arm64) wanted+=("${arm64[@]}") ;;
    kernel) wanted+=("${kernel[@]}") ;;
    vtx) wanted+=("${vtx[@]}") ;;
    soak) wanted+=("${soak[@]}") ;;
    all) wanted+=("${build[@]}" "${guest[@]}" "${test[@]}") ;;
    *) echo "usage: deps.sh [build|guest|test|arm64|kernel|vtx|soak|all]..." >&2 && exit 1 ;;
    esac
done

mapfile -t needed < <(missing "${wanted[@]}")
if [ ${#needed[@]} = 0 ]; then
    echo "deps.sh: all there"
    exit 0
fi

echo "deps.sh: installing ${needed[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! install "${needed[@]}" >"$log" 2>&1; then
    tail -n 3 "$log" >&2
    echo "deps.sh: that failed; as root, run: apt-get update && apt-get install ${needed[*]}" >&2
    exit 1
fi

#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Installs what building and testing need on Debian 12, if it is missing.
#
#   tests/deps.sh [build|guest|test|all]...        all is the default
#
# With everything there it needs neither network nor root.
set -eu

# Also what the program runs with: alsa-lib, libsndfile, libfdt, jansson, FFTW, cairo, and what
# unpacks a kernel.
build=(gcc make pkg-config
    libasound2-dev libsndfile1-dev libfdt-dev libjansson-dev libfftw3-dev libcairo2-dev
    libzstd-dev liblzma-dev liblz4-dev zlib1g-dev)

# To boot guests, here and in the rig.
guest=(busybox-static cpio kmod          # initramfs of a guest
    xz-utils zstd lz4 gzip               # kernels and modules are packed with these
    alsa-utils sox                       # sound in the guest and outside
    qemu-system-x86)                     # the rig

test=(check libsubunit-dev               # unit tests
    acpica-tools device-tree-compiler    # machine tables, read by others
    clang libclang-rt-14-dev clang-format clang-tidy cppcheck shellcheck)

# missing PACKAGE...: those of them that are not installed for this machine's architecture (the
# same package may be there for another one too).
missing() {
    local package arch
    arch=$(dpkg --print-architecture)
    for package; do
        dpkg-query -W -f '${db:Status-Status} ${Architecture}\n' "$package" 2>/dev/null |
            grep -qxE "installed ($arch|all)" || echo "$package"
    done
}

# install PACKAGE...: as root or by sudo, with fresh package lists only where the old ones fail.
install() {
    local get=(env DEBIAN_FRONTEND=noninteractive apt-get -q -y)
    local ask=(-n)
    if [ -t 0 ]; then ask=(); fi # someone there to type a password
    if [ "$(id -u)" != 0 ]; then get=(sudo "${ask[@]}" "${get[@]}"); fi
    "${get[@]}" install --no-install-recommends "$@" && return
    "${get[@]}" update && "${get[@]}" install --no-install-recommends "$@"
}

wanted=()
for part in "${@:-all}"; do
    case $part in
    build) wanted+=("${build[@]}") ;;
    guest) wanted+=("${guest[@]}") ;;
    test) wanted+=("${test[@]}") ;;
    all) wanted=("${build[@]}" "${guest[@]}" "${test[@]}") ;;
    *) echo "usage: deps.sh [build|guest|test|all]..." >&2 && exit 1 ;;
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

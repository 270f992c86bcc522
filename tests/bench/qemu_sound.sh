#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Says how to call a QEMU that has a virtio-snd device (8.2 or later): the installed one, or that of
# Debian's backports, unpacked below build/bench and not installed. Says nothing, and why on
# standard error, if there is none to be had.
#
# With ARCH=arm64 on another host it is one for the rig to run, of that architecture.
set -eu

top=$(cd "$(dirname "$0")/../.." && pwd)
host=$(dpkg --print-architecture)
debian=${ARCH-$host}
debian=${debian/x86_64/amd64}
made=$top/build/bench/qemu-$debian
case $debian in
arm64)
    program=qemu-system-aarch64 machine=virt triplet=aarch64-linux-gnu user=qemu-aarch64
    wanted=(qemu-system-arm:arm64 qemu-system-data qemu-system-common:arm64)
    ;;
*)
    program=qemu-system-x86_64 machine=microvm triplet=x86_64-linux-gnu user=
    wanted=(qemu-system-x86 qemu-system-data qemu-system-common seabios)
    ;;
esac
[ "$debian" != "$host" ] || user= # what runs its programs here

die() {
    echo "qemu_sound.sh: no QEMU with virtio-snd: $*" >&2
    exit 0
}

# Debian's package tools with package lists of our own: the system's first mirror of its release,
# and the backports that lie next to it.
own_lists() {
    local apt=$made/apt codename mirror key='' suite
    # shellcheck source=/dev/null
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME-}")
    # shellcheck disable=SC2016 # apt's own
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' \
        "Codename: $codename" 'Component: main' | head -n 1)
    [ -n "$mirror" ] || die "no package lists: run apt-get update"
    [ ! -e /usr/share/keyrings/debian-archive-keyring.gpg ] ||
        key='[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]'
    mkdir -p "$apt"/{lists,cache/archives}/partial "$apt/parts"
    for suite in "$codename" "$codename-backports"; do
        echo "deb $key $mirror $suite main"
    done >"$apt/parts/backports.list"
    options=(-qq -o Dir::State::lists="$apt/lists" -o Dir::Cache="$apt/cache"
        -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$apt/parts"
        -o APT::Sandbox::User=root
        -o APT::Architectures::="$host" -o APT::Architectures::="$debian")
    apt-get "${options[@]}" update || die "apt-get update failed"
    options+=(-t "$codename-backports")
}

# The packages, and those that they need and this machine does not have at all.
packages() {
    apt-get "${options[@]}" -s install --no-install-recommends "${wanted[@]}" |
        awk -v ours="[[](all|$debian)]" '$1 == "Inst" && $3 !~ /^\[/ && $0 ~ ours { print $2 }'
    printf '%s\n' "${wanted[@]}"
}

unpack() {
    local options work package
    own_lists
    work=$(mktemp -d "$made/.new.XXXXXX")
    cd "$work"
    mapfile -t names < <(packages | sort -u)
    apt-get "${options[@]}" download "${names[@]}" || die "its packages can't be had"
    for package in *.deb; do
        dpkg -x "$package" root
    done
    cat >run <<END
#!/bin/bash
root=$made/unpacked/root
export LD_LIBRARY_PATH=\$root/usr/lib/$triplet:\$root/lib/$triplet
export QEMU_MODULE_DIR=\$root/usr/lib/$triplet/qemu
exec \${QEMU_USER-} "\$root/usr/bin/$program" \
    -L "\$root/usr/share/qemu" -L "\$root/usr/share/seabios" "\$@"
END
    chmod 755 run
    rm ./*.deb
    rm -rf "$made/unpacked"
    mv "$work" "$made/unpacked"
}

has_sound() {
    QEMU_USER=$user "$@" -M "$machine" -device virtio-sound-device,help 2>/dev/null |
        grep -q '^ *streams='
}

if [ "$debian" = "$host" ] && command -v "$program" >/dev/null && has_sound "$program"; then
    echo "$program"
    exit
fi
mkdir -p "$made"
[ -e "$made/unpacked" ] || unpack >&2
has_sound "$made/unpacked/run" || die "the backports' one has none"
echo "$made/unpacked/run"

#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Gets a stock Debian kernel for use as a guest; nothing is installed.
#
#   guests/fetch.sh KERNEL      6.12-amd64, 6.12-cloud-amd64, 6.1-amd64, 6.1-cloud-amd64, and of arm64
#                               7-amd64 and so on: the newest 7 that Debian builds for its stable release
#                               (trixie-backports); 7.2-amd64: the newest 7.2, while it is there
#
# Leaves build/guests/KERNEL/ with
#   vmlinuz    the kernel as Debian ships it       vmlinux   the ELF file in it (not of arm64)
#   modules/   a root for `modprobe -d`            config    the kernel's build options
#   version    what `uname -r` will say            package   name and version of the package
# The folder appears in one rename, so a killed run leaves nothing half done. The network is
# needed only when the folder is not there yet; remove the folder to get a newer kernel.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# meta_package KERNEL: the package that names the newest kernel of its kind.
meta_package() {
    local flavour=${1#*-}
    case $flavour in amd64 | cloud-amd64 | arm64 | cloud-arm64) ;; *) flavour= ;; esac
    case ${flavour:+${1%%-*}} in
    6.12) echo "linux-image-$1" ;;
    6.1) echo "linux-image-$flavour" ;;
    7 | 7.[0-9] | 7.[0-9][0-9]) ;; # none: it will name an 8 one day
    *) die "unknown kernel '$1': 6.12, 6.1, 7 or 7.N, -cloud or not, -amd64 or -arm64" ;;
    esac
}

# resolve KERNEL: the package that holds the newest such kernel, or nothing.
resolve() {
    local meta package series flavour

    meta=$(meta_package "$1")
    package=$(apt_cache show --no-all-versions "$meta:${1##*-}" 2>/dev/null |
        sed -n 's/^Depends: *\(linux-image-[^ ,]*\).*/\1/p' | head -n 1)
    if [ -z "$package" ]; then # no meta package: the newest of that name, signed before unsigned
        series=${1%%-*} flavour=${1#*-}
        package=$(apt_cache pkgnames "linux-image-$series" |
            grep -E "^linux-image-${series//./\\.}[.0-9][^-]*(-[0-9]+)?-$flavour(-unsigned)?\$" |
            sort -V | tail -n 1) || true
    fi
    echo "${package:+$package:${1##*-}}"
}

# download KERNEL: puts the package into the current folder, and from 6.16 on those that it is split into.
download() {
    local package parts

    package=$(resolve "$1")
    [ -n "$package" ] || { echo "none for $1$hint" >&2 && return 1; }
    parts=$(apt_cache show --no-all-versions "$package" | sed -n 's/^Depends: //p' |
        grep -oE 'linux-(base|binary|modules)-[0-9][^ ,]*') || true
    # shellcheck disable=SC2086 # names
    apt_get download "$package" ${parts//$'\n'/ }
}

# extract_vmlinux BZIMAGE: the ELF file inside, to standard output. Offsets are those of the
# setup header: setup_sects 0x1f1, payload_offset 0x248, payload_length 0x24c. The payload's
# last four bytes are its unpacked size, which is not part of the compressed stream.
extract_vmlinux() {
    local sects offset length unpack

    field() { od -An -v -t "u$3" -j "$2" -N "$3" "$1" | tr -d ' '; }
    sects=$(field "$1" $((0x1f1)) 1)
    offset=$(((sects + 1) * 512 + $(field "$1" $((0x248)) 4)))
    length=$(field "$1" $((0x24c)) 4)
    case $(od -An -v -t x1 -j "$offset" -N 4 "$1" | tr -d ' ') in
    28b52ffd) unpack=zstd ;;
    02214c18) unpack=lz4 ;;
    fd377a58) unpack=xz ;;
    1f8b*) unpack=gzip length=$((length + 4)) ;;
    *) die "$1: packed in a way this script does not know" ;;
    esac
    tail -c "+$((offset + 1))" "$1" | head -c $((length - 4)) | "$unpack" -dc
}

[ $# = 1 ] || die "usage: fetch.sh KERNEL"
kernel=$1
meta_package "$kernel" >/dev/null
only_once "$kernel" version

echo "fetch.sh: getting Debian's kernel $kernel" >&2
hint=": is Debian's security suite, which has the newer kernels, among apt's sources?"
case $kernel in
7*)
    of_suite trixie-backports
    hint=
    download "$kernel" 2>"$work/log" || die "no packages of trixie-backports: $(tail -n 1 "$work/log")"
    ;;
*) with_lists download "$kernel" ;;
esac

for deb in ./*.deb; do dpkg -x "$deb" tree; done
mkdir -p out/modules/lib
for lib in tree/lib/modules tree/usr/lib/modules; do
    if [ -d "$lib" ]; then mv "$lib" out/modules/lib/; fi
done
version=$(basename out/modules/lib/modules/*)
for file in vmlinuz config; do # in a package of its own they are among the modules
    mv "tree/boot/$file-$version" "out/$file" 2>/dev/null || mv "out/modules/lib/modules/$version/$file" out/
done
/sbin/depmod -b "$work/out/modules" "$version" || die "depmod failed for $version"
[ "${kernel##*-}" != amd64 ] || extract_vmlinux out/vmlinuz >out/vmlinux
basename ./linux-image-*.deb .deb >out/package
echo "$version" >out/version
echo "fetch.sh: it is $(cat out/package)" >&2
put "$kernel" out

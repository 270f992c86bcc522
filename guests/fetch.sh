#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Gets a stock Debian kernel for use as a guest; nothing is installed.
#
#   guests/fetch.sh KERNEL      6.12-amd64, 6.12-cloud-amd64, 6.1-amd64, 6.1-cloud-amd64, and of arm64
#
# Leaves build/guests/KERNEL/ with
#   vmlinuz    the kernel as Debian ships it       vmlinux   the ELF file in it (not of arm64)
#   modules/   a root for `modprobe -d`            config    the kernel's build options
#   version    what `uname -r` will say            package   name and version of the package
# The folder appears in one rename, so a killed run leaves nothing half done. The network is
# needed only when the folder is not there yet; remove the folder to get a newer kernel.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# The meta package names the newest kernel of its kind.
meta_package() {
    case $1 in
    6.12-amd64 | 6.12-cloud-amd64 | 6.12-arm64 | 6.12-cloud-arm64) echo "linux-image-$1" ;;
    6.1-amd64 | 6.1-cloud-amd64 | 6.1-arm64 | 6.1-cloud-arm64) echo "linux-image-${1#6.1-}" ;;
    *) die "unknown kernel '$1': 6.12 or 6.1, -cloud or not, -amd64 or -arm64" ;;
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

# download KERNEL: puts the package into the current folder.
download() {
    local package

    package=$(resolve "$1")
    [ -n "$package" ] || { echo "none for $1: is Debian's security suite, which has the newer kernels, among apt's sources?" >&2 && return 1; }
    apt_get download "$package"
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
with_lists download "$kernel"

dpkg -x ./*.deb tree
version=$(basename tree/boot/vmlinuz-*)
version=${version#vmlinuz-}
mkdir -p out/modules/lib/modules
mv "tree/boot/vmlinuz-$version" out/vmlinuz
mv "tree/boot/config-$version" out/config
for lib in tree/lib/modules tree/usr/lib/modules; do
    if [ -d "$lib/$version" ]; then mv "$lib/$version" out/modules/lib/modules/; fi
done
/sbin/depmod -b "$work/out/modules" "$version" || die "depmod failed for $version"
[ "${kernel##*-}" != amd64 ] || extract_vmlinux out/vmlinuz >out/vmlinux
basename ./*.deb .deb >out/package
echo "$version" >out/version
put "$kernel" out

#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Gets Debian's programs for another architecture than this machine's, to put into guests and over
# the root of an outer machine; nothing is installed.
#
#   guests/userland.sh ARCH      arm64 or amd64
#
# Leaves build/guests/userland-ARCH, a root with a shell, what test scripts call, alsa-utils, QEMU
# for the comparison in `make bench`, and the libraries of all these. On a machine of that
# architecture it is not needed, and not made.
# The folder appears in one rename; remove it to get newer packages.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

packages=(busybox-static
    bash coreutils diffutils findutils grep gzip hostname mawk sed util-linux bsdutils
    mount iproute2 ethtool passt dnsmasq-base alsa-utils sox socat)
libraries=(libacl1 libasound2 libatopology2 libattr1 libblkid1 libc6 libcrypt1 libfftw3-single3
    libgcc-s1 libgmp10 libgomp1 libgsm1 libltdl7 libmagic1 libmount1 libncursesw6 libpcre2-8-0
    libpng16-16 libreadline8 libsamplerate0 libselinux1 libsmartcols1 libsox-fmt-base libsox3
    libssl3 libsystemd0 libtinfo6 libudev1 libbz2-1.0 liblzma5 zlib1g libcap2 libcap-ng0 libuuid1
    libgcrypt20 libgpg-error0 liblz4-1 libzstd1 libsndfile1 libstdc++6 libflac12 libvorbis0a
    libvorbisenc2 libvorbisfile3 libopus0 libogg0 libmpg123-0 libmp3lame0 libwrap0 libnsl2 libtirpc3
    libgssapi-krb5-2 libkrb5-3 libk5crypto3 libcom-err2 libkrb5support0 libkeyutils1
    libbsd0 libmd0 libmnl0 libxtables12 libdb5.3 libdbus-1-3 libnetfilter-conntrack3 libnfnetlink0
    libnftables1 libnftnl11 libjansson4)
qemu=(qemu-system-common qemu-utils libaio1 libbpf1 libcapstone4 libdaxctl1 libelf1 libffi8 libfuse3-3
    libglib2.0-0 libgnutls30 libhogweed6 libibverbs1 libidn2-0 libjpeg62-turbo libkmod2 libndctl6
    libnettle8 libnl-3-200 libnl-route-3-200 libnuma1 libp11-kit0 libpixman-1-0 libpmem1
    librdmacm1 libsasl2-2 libseccomp2 libslirp0 libtasn1-6 libunistring2 liburing2 libvdeplug2
    libfdt1)

[ $# = 1 ] || die "usage: userland.sh ARCH"
arch=$1
case $arch in
arm64) qemu+=(qemu-system-arm) ;;
amd64) qemu+=(qemu-system-x86) ;;
*) die "unknown architecture '$arch': arm64 or amd64" ;;
esac
[ "$arch" != "$(dpkg --print-architecture)" ] || exit 0
wanted=("${packages[@]}" "${libraries[@]}" "${qemu[@]}")
list=packages-$(echo "${wanted[*]}" | cksum | cut -d ' ' -f 1) # another list: another root
only_once "userland-$arch" "$list"

echo "userland.sh: getting Debian's programs for $arch" >&2
with_lists apt_get download "${wanted[@]/%/:$arch}"
unpack_root ./*.deb
rm -rf root/{etc,var}
ls -- *.deb >"root/$list"
put "userland-$arch" root

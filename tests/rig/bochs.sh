#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Builds Bochs, which emulates Intel's VT-x, from Debian's source of it; Debian's own package is
# built without. Nothing is installed.
#
#   tests/rig/bochs.sh
#
# Leaves build/rig/bochs with "bochs" and "version". It takes a few minutes, once; remove the folder to
# get a newer one.
# shellcheck source=../../guests/lib.sh
. "$(dirname "$0")/../../guests/lib.sh"
guests=$top/build/rig # where it is put

suites=(bookworm trixie sid)
options=(--enable-x86-64 --enable-cpu-level=6 --enable-vmx=2 --enable-pci --enable-avx --enable-evex
    --enable-all-optimizations --disable-show-ips --with-nogui --without-x11 --without-sdl --disable-docbook)

# mirror: where this machine's apt gets Debian from.
mirror() {
    # shellcheck disable=SC2016 # apt fills these in
    apt-get indextargets "${apt_options[@]}" --format '$(CREATED_BY) $(ORIGIN) $(REPO_URI)' |
        sed -n 's,^Packages Debian \(.*/debian/\)$,\1,p' | head -n 1
}

# use_sources: package lists of our own, of sources and of newer suites, too.
use_sources() {
    local suite from
    from=$(mirror)
    [ -n "$from" ] || { own_lists && from=$(mirror); }
    [ -n "$from" ] || die "apt has no source of Debian's packages"
    for suite in "${suites[@]}"; do
        echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $from $suite main"
    done >sources.list
    apt_options+=(-o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/dev/null)
    own_lists
}

# download: the newest that is to be had; a mirror may lack some of the files that its lists name.
download() {
    local version
    use_sources
    for version in $(apt_cache showsrc bochs | sed -n 's/^Version: //p' | sort -rVu); do
        apt_get source --download-only "bochs=$version" 2>/dev/null || true
        [ ! -e bochs_"${version%-*}".orig.tar.xz ] || { echo "$version" >version && return; }
    done
    die "no source of Bochs is to be had"
}

[ $# = 0 ] || die "usage: bochs.sh"
only_once bochs version
echo "bochs.sh: getting the source of Bochs" >&2
download
mkdir source out
tar -xJf bochs_*.orig.tar.xz -C source --strip-components=1
cd source
echo "bochs.sh: building it" >&2
unset MAKEFLAGS MAKEOVERRIDES MFLAGS ARCH VARIANT # a caller's
{ ./configure "${options[@]}" && make -j2 bochs; } >"$work/log" 2>&1 ||
    die "Bochs does not build: $(grep -m 1 -i error "$work/log")"
strip -o "$work/out/bochs" bochs
cd "$work"
mv version out/
put bochs out

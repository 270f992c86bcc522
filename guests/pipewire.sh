#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Gets Debian's PipeWire and what it runs with (WirePlumber, D-Bus, udev), for a guest of this
# machine's architecture; nothing is installed.
#
#   guests/pipewire.sh
#
# Leaves build/guests/pipewire, a root with all that as Debian has it; "packages" names them. It has no
# kernel modules and no shell: guests/mkinitramfs.sh adds them.
# The folder appears in one rename; remove it to get newer packages.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# Without the libraries of modules that PipeWire's default settings do not load.
packages=(pipewire pipewire-bin libpipewire-0.3-0 libpipewire-0.3-common libpipewire-0.3-modules
    libspa-0.2-modules libasound2 libasound2-data libcap2 libdbus-1-3 libsystemd0 libncursesw6
    libtinfo6 ncurses-base libsndfile1 libflac12 libogg0 libvorbis0a libvorbisenc2 libopus0
    libmpg123-0 libmp3lame0 libc6 libgcc-s1 libstdc++6
    wireplumber libwireplumber-0.4-0 libglib2.0-0 libffi8 libmount1 libpcre2-8-0 liblua5.3-0 zlib1g
    dbus-daemon dbus-session-bus-common libapparmor1 libaudit1 libcap-ng0 libexpat1
    udev libudev1 libacl1 libblkid1 libkmod2 liblzma5 libselinux1 libssl3 libzstd1
    libgcrypt20 libgpg-error0 liblz4-1)

[ $# = 0 ] || die "usage: pipewire.sh"
only_once pipewire packages

echo "pipewire.sh: getting Debian's PipeWire" >&2
with_lists apt_get download "${packages[@]}"
unpack_root ./*.deb
rm -rf root/usr/lib/*/gconv root/usr/lib/udev/hwdb.d root/usr/share/{bash-completion,gdb,zsh}
echo 'root:x:0:0:root:/root:/bin/sh' >root/etc/passwd
echo 'root:x:0:' >root/etc/group
ls -- *.deb >root/packages
put pipewire root

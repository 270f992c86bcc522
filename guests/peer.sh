#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Gets a program of other people's that speaks vhost-user, from a Debian that is newer than this machine's; nothing
# is installed.
#
#   guests/peer.sh vhost-device-vsock | virtiofsd | qemu
#
# Leaves build/guests/PROGRAM, a root with all that the program needs, and "run" in it, which starts it by the
# loader and the libraries of that root; "packages" names them. Says how to call it.
# The folder appears in one rename; remove it to get newer packages.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

[ $# = 1 ] || die "usage: peer.sh PROGRAM"
options=
case $1 in
vhost-device-vsock) wanted=(vhost-device-vsock) from=(forky) path=/usr/bin/vhost-device-vsock ;;
virtiofsd) wanted=(virtiofsd) from=(forky) path=/usr/libexec/virtiofsd ;;
qemu)
    wanted=(qemu-system-x86) from=(trixie trixie-backports) path=/usr/bin/qemu-system-x86_64
    # shellcheck disable=SC2016 # run's own
    options='-L "$root/usr/share/qemu" -L "$root/usr/share/seabios"'
    ;;
*) die "unknown program '$1': vhost-device-vsock, virtiofsd or qemu" ;;
esac
echo "$guests/$1/run"
only_once "$1" packages

# Those that are named, and what they depend on.
download() {
    local names
    mapfile -t names < <(apt-get -qq "${apt_options[@]}" -s install --no-install-recommends "$@" |
        awk '$1 == "Inst" { print $2 }')
    [ ${#names[@]} != 0 ] && apt_get download "${names[@]}"
}

echo "peer.sh: getting Debian's $1 of ${from[*]}" >&2
of_suite "${from[@]}"
download "${wanted[@]}" || die "no packages"
unpack_root ./*.deb
loader=$(readelf -l "root$path" | sed -n 's/.*interpreter: \(.*\)\]/\1/p')
libraries=$(cd root && echo usr/lib/*-linux-gnu)
cat >root/run <<END
#!/bin/sh
root=\${0%/*}
export QEMU_MODULE_DIR="\$root/$libraries/qemu"
exec "\$root/usr$loader" --library-path "\$root/$libraries" "\$root$path" $options "\$@"
END
chmod 755 root/run
ls -- *.deb >root/packages
put "$1" root

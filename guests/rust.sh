#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Gets Debian 12's newer Rust (rustc-web, cargo-web) and the crates of rust-vmm, as Debian 13 packages them; nothing
# is installed.
#
#   guests/rust.sh
#
# Leaves build/guests/rust, a root with usr/bin/cargo, whose libraries are for LD_LIBRARY_PATH, and the crates in
# usr/share/cargo/registry; "packages" names them. The folder appears in one rename; remove it to get newer packages.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

[ $# = 0 ] || die "usage: rust.sh"
only_once rust packages

# needed PATTERN NAME...: gets those packages, and of what they need, and is not here, all whose name matches.
needed() {
    local names
    mapfile -t names < <(apt-get -qq "${apt_options[@]}" -s install --no-install-recommends "${@:2}" |
        awk -v pattern="$1" '$1 == "Inst" && $2 ~ pattern { print $2 }')
    [ ${#names[@]} = 0 ] || apt_get download "${names[@]}"
}

echo "rust.sh: getting Debian's Rust, and crates" >&2
with_lists needed . rustc-web cargo-web
of_suite trixie
needed ^librust- librust-vhost-user-backend-dev || die "no crates"
unpack_root ./*.deb
ls -- *.deb >root/packages
put rust root

# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# For the scripts that get Debian's packages to source; nothing is installed, and nobody needs to be
# root.
set -eu

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
guests=$top/build/guests

die() {
    echo "${0##*/}: $*" >&2
    exit 1
}

# only_once NAME FILE: ends the script if $guests/NAME/FILE is there, else leaves it in a folder of
# its own, $work, which goes away at the end. A second run waits for the first and then finds the
# work done.
only_once() {
    [ ! -e "$guests/$1/$2" ] || exit 0
    mkdir -p "$guests"
    exec 9>"$guests/.lock-$1"
    flock 9
    [ ! -e "$guests/$1/$2" ] || exit 0
    work=$(mktemp -d "$guests/.$1.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    trap 'exit 1' HUP INT TERM
    cd "$work"
}

# put NAME FOLDER: FOLDER becomes $guests/NAME in one rename, so a killed run leaves nothing half done.
put() {
    rm -rf "${guests:?}/$1"
    chmod 755 "$2"
    mv "$2" "$guests/$1"
}

# Debian's package tools; the options choose package lists.
apt_options=(-o APT::Sandbox::User=root -o APT::Architectures::=amd64 -o APT::Architectures::=arm64)
apt_get() { apt-get -qq "${apt_options[@]}" "$@" >&2; }
apt_cache() { apt-cache "${apt_options[@]}" "$@"; }

# Lists of our own, for when the system's are absent or too old.
own_lists() {
    local lists=$guests/.apt/lists cache=$guests/.apt/cache

    mkdir -p "$lists/partial" "$cache/archives/partial"
    apt_options+=(-o Dir::State::lists="$lists" -o Dir::Cache="$cache")
    apt_get update || true # one bad source of several is no reason to stop
}

# with_lists COMMAND...: a function that gets packages; once more with lists of our own if it fails.
with_lists() {
    "$@" 2>"$work/log" && return
    own_lists 2>>"$work/log"
    "$@" 2>"$work/log" || die "no packages: $(tail -n 1 "$work/log")"
}

# archive: where the system's apt gets Debian's packages from.
archive() {
    # shellcheck disable=SC2016 # apt's own
    apt-get "${apt_options[@]}" indextargets --format '$(REPO_URI)' 'Origin: Debian' 'Label: Debian' | head -n 1
}

# of_suite SUITE...: from now on packages are those of these suites of the same archive, of the last one if it
# has them, for a machine on which nothing is installed. The system's apt does not get to know it.
of_suite() {
    local uri lists=$work/apt
    uri=$(archive)
    [ -n "$uri" ] || { own_lists && uri=$(archive); }
    [ -n "$uri" ] || die "Debian is not among apt's sources"
    mkdir -p "$lists"/{lists,cache/archives}/partial
    printf "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri %s main\n" "$@" >"$lists/sources"
    apt_options+=(-o Dir::State::lists="$lists/lists" -o Dir::Cache="$lists/cache" -o Dir::State::status=/dev/null
        -o Dir::Etc::sourcelist="$lists/sources" -o Dir::Etc::sourceparts=/dev/null)
    apt_get update || die "no lists of Debian's $*"
    apt_options+=(-o APT::Default-Release="${!#}")
}

# unpack_root DEB...: a root as Debian's own are, where /bin and the like lead to /usr, without what
# is for people to read. It is left in $work/root.
unpack_root() {
    local name deb
    mkdir -p "$work/root/usr"/{bin,sbin,lib}
    for name in bin sbin lib; do ln -s "usr/$name" "$work/root/$name"; done
    for deb; do
        dpkg-deb --fsys-tarfile "$deb" |
            tar -x -C "$work/root" --keep-directory-symlink --no-same-owner
    done
    rm -rf "$work/root"/usr/share/{doc,man,locale,info,lintian,bug}
}

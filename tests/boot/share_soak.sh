# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Long proofs of shared folders, for `make soak`.

# share_boot TEST OPTION...
share_boot() {
    # shellcheck disable=SC2034 # boot's
    local boot_seconds_max=3600 test=$1
    shift
    boot 0 --mem 1G --initrd "$made/$stock.share" --append "$(job shares "$test")" "$@" \
        "$guests/$stock/vmlinuz"
    done_job shares
}

# few_descriptors COMMAND...: linnet has 4096, whoever runs this, of which a share has 768 for files
# that are not open.
few_descriptors() {
    local program=$linnet without=
    [ "$(id -u)" != 0 ] || without="setpriv --bounding-set=-sys_resource --inh-caps=-sys_resource"
    printf '#!/bin/sh\nulimit -n 4096\nexec %s "%s" "$@"\n' "$without" "$program" >few
    chmod 755 few
    warm "$program"
    linnet=$PWD/few
    "$@"
    linnet=$program
}

# The root of this host lies below two overlays of the guest: what is changed there stays there. Its
# fio writes to a share, and reads what it wrote.
share_root() {
    mkdir rw
    share_boot root --share /,tag=root --share ./rw,tag=rw,rw
    [ ! -e /usr/share/linnet-made ] || fail "it was changed here"
    [ -s rw/verify.0.0 ] || fail "fio wrote nothing"
}

# 100,000 files, each of which has its own name in it.
share_many() {
    local i k
    mkdir many
    for ((i = 0; i < 100; i++)); do
        mkdir "many/folder$i"
        for ((k = 0; k < 999; k++)); do echo "folder$i/$k" >"many/folder$i/$k"; done
    done
    few_descriptors share_boot many --share ./many,tag=many
    (cd many && busybox find . | LC_ALL=C sort | md5sum) >want
    grep -q "^linnet-share: names $(cut -d ' ' -f 1 want)" console || fail "the guest finds other names"
}

# What is drawn by lot, two programs of either kind at a time.
share_random() {
    mkdir rw
    few_descriptors share_boot random --share ./rw,tag=rw,rw
}

soak_case smp share-root share_root x86_64
soak_case smp share-many share_many
soak_case smp share-random share_random

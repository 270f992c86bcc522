# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Shared folders (virtio-fs).

# With two programs that do what is drawn by lot (guests/fsx.c, guests/twins.c).
share_prepare() {
    local kernel program cc=gcc
    [ "$arch" != arm64 ] || [ "$arch" = "$host" ] || cc=aarch64-linux-gnu-gcc
    for program in fsx twins; do
        "$cc" -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -static -o "$made/$program" "$top/guests/$program.c"
    done
    for kernel in "${kernels[@]}"; do
        "$top/guests/mkinitramfs.sh" "$kernel" "$made/$kernel.share" share
        "$top/guests/addfiles.sh" "$made/$kernel.share" "$made/$kernel.share" "$made/fsx" "$made/twins"
    done
}

# share_make DIR: one of each kind of file.
share_make() {
    mkdir -p "$1/folder/empty" "$1/proc"
    printf 'text\nthe end\n' >"$1/text"
    head -c 3000001 /dev/urandom >"$1/large"
    truncate -s 4M "$1/sparse"
    for name in file old gone; do echo "$name" >"$1/folder/$name"; done
    mkdir "$1/many"
    (cd "$1/many" && seq 2000 | xargs touch)
    ln -s folder/file "$1/link"
    ln -s /nowhere "$1/dangling"
    ln "$1/text" "$1/hard"
    mkfifo "$1/fifo"
    cp /bin/busybox "$1/busybox"
    chmod 4755 "$1/busybox"
    chmod 1777 "$1/folder/empty"
}

share_list() {
    (export LC_ALL=C TZ=UTC && cd "$1" && busybox ls -lRn --full-time . && find . -type f | sort | xargs busybox sha256sum)
}
# share_edit: what the host does to a share while the guest has it.
share_edit() {
    until [ -e rw/ready ]; do sleep 0.1; done
    echo two >rw/edit
    echo replacement >rw/new && mv rw/new rw/open
    rm rw/deleted
    mv rw/away/inner rw/home && mv rw/away/kept rw/home/kept
    touch rw/edited
}

# share_judge: what the guest has done to it.
share_judge() {
    diff want rw/seen || fail "the guest sees something else"
    cp ro/large expected
    dd if=ro/text of=expected bs=1 seek=1000 count=4 conv=notrunc status=none
    cmp expected rw/large
    [[ $(cat rw/moved/in/file) = kept && ! -e rw/made ]] || fail "rename"
    [[ $(cat rw/replaced) = new && ! -e rw/replaced.new ]] || fail "rename over a file"
    [ "$(cat rw/appended)" = "$(printf 'line\nmore')" ] || fail "append"
    [ "$(stat -c '%s' rw/cut)" = 10 ] || fail "truncate"
    [ "$(stat -c '%a %h %Y %u' rw/written)" = "640 2 1000000000 $(id -u)" ] || fail "attributes"
    [[ $(readlink rw/soft) = written && -p rw/fifo ]] || fail "special files"
    [[ ! -e rw/gone && ! -e rw/removed && ! -e rw/disk ]] || fail "unlink"
    grep -q 'Read-only' rw/refused || fail "what is read-only was: $(cat rw/refused)"
}

# share_case KERNEL WORD: with what is drawn by lot, or "short".
# proves: FS-05, FS-10, FS-11
share_case() {
    share_make ro
    mkdir -p rw/proc
    mount -t proc proc rw/proc 2>/dev/null || true # without rights for it: an empty folder
    echo one >rw/edit && echo original >rw/open && touch rw/deleted
    mkdir -p rw/away/inner && echo kept >rw/away/kept
    share_list ro >want
    share_edit &
    boot 0 --initrd "$made/$1.share" --share ro,tag=ro --share ./rw,tag=rw,rw \
        --append "$(job share "$2")" "$guests/$1/vmlinuz"
    umount rw/proc 2>/dev/null || true
    kill $! 2>/dev/null || true
    done_job share
    share_judge
}

share_stock() { share_case "$stock" long; }
share_6_1() { share_case 6.1-cloud-amd64 short; }

boot_case counting share-6.12 share_stock
boot_case counting share-6.1 share_6_1 x86_64

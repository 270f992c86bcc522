# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Shared folders (virtio-fs).

share_prepare() {
    local kernel
    for kernel in "${kernels[@]}"; do
        "$top/guests/mkinitramfs.sh" "$kernel" "$made/$kernel.share" share
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
share_case() {
    share_make ro
    share_list ro >want
    boot 0 --initrd "$made/$1.share" --share ro,tag=ro --append "$(job share)" "$guests/$1/vmlinuz"
    done_job share
}
share_612() { share_case 6.12-amd64; }
share_61() { share_case 6.1-cloud-amd64; }
boot_case counting share-6.12 share_612
boot_case counting share-6.1 share_61 x86_64

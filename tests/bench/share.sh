# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# For tests/bench/run.sh to source: what it costs to find 10,000 files in a shared folder, and to read
# 100 MB, guest and host together, beside the installed QEMU with its virtiofsd. The guest has seen
# nothing of it before; this host has it in its cache. Either may remember all that it was told.

share_prepare() {
    "$top/guests/mkinitramfs.sh" "${guest##*/}" "$made/share.cpio" share
}

share_linnet() {
    "$linnet" run "${mem[@]}" --initrd "$made/share.cpio" --kernel-cache "dir:$work/kept" \
        --kernel "$guest/vmlinuz" --share files,tag=share --append "$1"
}

# With the daemon's share.
share_qemu() {
    rm -f socket
    /usr/lib/qemu/virtiofsd --socket-path=socket -o source="$work/files" -o cache=always >/dev/null 2>&1 &
    until [ -S socket ]; do sleep 0.1; done
    # shellcheck disable=SC2054 # the commas are an argument of QEMU
    qemu-system-x86_64 -M "microvm,acpi=on,pit=off,pic=off,rtc=off,memory-backend=ram" -accel kvm \
        -object "memory-backend-memfd,id=ram,size=${mem[1]}M,share=on" -m "${mem[1]}" \
        -cpu host -nodefaults -no-user-config -display none -no-reboot \
        -serial stdio -global virtio-mmio.force-legacy=false -initrd "$made/share.cpio" \
        -chardev socket,id=files,path=socket -device "vhost-user-fs-device,chardev=files,tag=share,queue-size=1024" \
        -kernel "$guest/vmlinuz" -append "console=ttyS0 $1"
    wait
}

# share_run COMMAND WHAT COUNT: what all processes took, in millions of instructions, is left in $ms.
share_run() {
    local TIMEFORMAT='%3U %3S' status=0
    { time "$1" "quiet linnet.job=finds linnet.arg=$2 linnet.arg=$3" </dev/null >console 2>errors; } 2>used || status=$?
    if [ "$status" != 0 ] || ! grep -q '^linnet-job: finds ok' console; then
        echo "bench: share: status $status: $(tail -n 1 console errors)" >&2
        return 1
    fi
    ms=$(awk '{ printf "%.0f", 1000 * ($1 + $2) }' used)
}

# share_row NAME COMMAND WHAT: the share of one more, after a first run that brings what is read into
# the cache.
share_row() {
    local few
    share_run "$2" "$3" 1
    share_run "$2" "$3" 1
    few=$ms
    share_run "$2" "$3" 5
    echo "share.$1 $(((ms - few) / 4)) Minstr"
}

share_rows() {
    local i
    for i in $(seq 100); do
        mkdir -p "files/folder$i"
        (cd "files/folder$i" && seq 100 | xargs touch)
    done
    head -c 100000000 /dev/urandom >files/large
    share_row linnet.find_10k share_linnet find
    share_row linnet.read_100m share_linnet read
    [ "$arch" = x86_64 ] || return 0
    share_row qemu.find_10k share_qemu find
    share_row qemu.read_100m share_qemu read
}

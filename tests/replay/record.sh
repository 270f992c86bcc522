#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Makes the recordings that tests/virtio/replay_test.c replays: what stock kernels say to each device.
#
#   tests/replay/record.sh [--inside]   in the rig; --inside: here. Leaves them in build/replay
#   ARCH=arm64 tests/replay/record.sh   the same of arm64 kernels
#   KERNEL=7-amd64 tests/replay/record.sh   of that one alone
#
# A recording is a transcript (linnet run --transcript FILE.jsonl), cut down to one device, the first
# LINES_MAX of its lines, and BYTES_MAX bytes of each message.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
cd "$top" || exit 1

LINES_MAX=100
BYTES_MAX=72
kernels=(6.12-amd64 6.1-cloud-amd64 7-amd64)
[ "$arch" != arm64 ] || kernels=(6.12-arm64 7-arm64)
[ -z "${KERNEL-}" ] || kernels=("$KERNEL")
made=$top/build/replay

# said WHAT: the guest has said so, or is gone.
said() {
    grep -q "^linnet-talk: $1" console || ! kill -0 "$vm"
}

# one KERNEL TRANSPORT
one() {
    local vm
    rm -rf talk && mkdir talk && cd talk
    mkdir share && echo text >share/text
    head -c 64K /dev/zero >disk.img && head -c 2M /dev/zero >pmem.img
    "$linnet" run --time-limit 60m --transport "$2" --transcript all.jsonl --control vm \
        --rng --disk disk.img --share share,tag=here,rw --console name=a,to=null --balloon \
        --net host=socket,path=hub --net host=socket,path=hub --vsock sock --pmem pmem.img \
        --input keyboard --snd host=loopback,jacks=line-out+mic,controls=on \
        --initrd "$made/$1.cpio" --append "quiet noxsave linnet.job=talk" "$top/build/guests/$1/vmlinuz" \
        </dev/null >console 2>errors &
    vm=$!
    wait_for 3000 said press
    "$linnet" control vm input0 press a || true
    wait_for 3000 said inflate
    "$linnet" control vm balloon0 size 1M || true
    wait_for 3000 said deflate
    "$linnet" control vm balloon0 size 0 || true
    wait "$vm" || echo "status $?"
    cat console errors
    cd ..
}

# cut_up KERNEL TRANSPORT: a file for each device. The newest kernel 7 is called by the series that it is of.
cut_up() {
    local device out name=${1%-amd64} version
    version=$(cat "$top/build/guests/$1/version")
    name=${name/#7/$(cut -d . -f 1,2 <<<"$version")}
    for device in rng0 disk0 share0 console0 balloon0 net0 vsock0 pmem0 input0 snd0; do
        out=$made/$name.$2.$device.jsonl
        grep -F "\"device\": \"$device\"" talk/all.jsonl |
            grep -vE '"event": "(interrupt|device|reset|active|config-news)"' |
            sed -E "s/\"t\": [0-9.]*, \"device\": \"$device\", //; s/, \"says\": .*}/}/
                s/(\"(sent|answer)\": \"[0-9a-f]{$((2 * BYTES_MAX))})[0-9a-f]*/\\1/g; s/, \"end\": \"[0-9a-f]*\"//" |
            head -n "$LINES_MAX" >"$out"
        if [ -s "$out" ]; then
            sed -i "1i {\"event\": \"device\", \"name\": \"$device\"}" "$out"
        else
            rm "$out"
        fi
    done
}

if [ "${1-}" = --inside ]; then
    linnet=$made/linnet
    cd "$(mktemp -d)" || exit 1
    for kernel in "${kernels[@]}"; do
        for transport in mmio pci; do
            one "$kernel" "$transport" >"$made/$kernel.$transport.log" 2>&1
            cp talk/all.jsonl "$made/$kernel.$transport.jsonl"
            cut_up "$kernel" "$transport"
        done
    done
    exit
fi
mkdir -p "$made"
cp "$linnet" "$made/linnet" # which nobody builds anew meanwhile
for kernel in "${kernels[@]}"; do
    guests/mkinitramfs.sh "$kernel" "$made/$kernel.cpio" talk
done
tests/rig/rig.sh --arch "$arch" --counting --timeout 3000 --out "$made" -- tests/replay/record.sh --inside

#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Makes the recordings that tests/virtio/replay_test.c replays: what stock kernels say to each device.
#
#   tests/replay/record.sh [--inside FOLDER]   in the rig; --inside: here, into FOLDER
#
# A recording is a transcript (linnet run --transcript FILE.jsonl), cut down to one device, the first
# LINES_MAX of its lines, and BYTES_MAX bytes of each message.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
cd "$top" || exit 1

LINES_MAX=130
BYTES_MAX=96
kernels=(6.12-amd64 6.1-cloud-amd64)
linnet=$top/build/$arch-release/linnet

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
    "$linnet" run --transport "$2" --transcript all.jsonl --control vm \
        --rng --disk disk.img --share share,tag=here,rw --console name=a,to=null --balloon \
        --net host=socket,path=hub --net host=socket,path=hub --vsock sock --pmem pmem.img \
        --input keyboard --snd host=loopback,jacks=line-out+mic,controls=on \
        --initrd "../$1.cpio" --append "quiet linnet.job=talk" "$top/build/guests/$1/vmlinuz" \
        </dev/null >console 2>errors &
    vm=$!
    wait_for 300 said press
    "$linnet" control vm input0 press a || true
    wait_for 300 said inflate
    "$linnet" control vm balloon0 size 1M || true
    wait_for 300 said deflate
    "$linnet" control vm balloon0 size 0 || true
    wait "$vm" || echo "status $?"
    cat console errors
    cd ..
}

# cut KERNEL TRANSPORT: a file for each device.
cut_up() {
    local device
    for device in rng0 disk0 share0 console0 balloon0 net0 vsock0 pmem0 input0 snd0; do
        jq -c --arg device "$device" --argjson bytes $((2 * BYTES_MAX)) \
            'select(.device == $device and .event != "interrupt") | del(.t)
            | if .sent then .sent |= .[:$bytes] else . end
            | if .answer then .answer |= .[:$bytes] else . end' talk/all.jsonl |
            awk -v lines="$LINES_MAX" 'NR <= lines' >"${1%-*}.$2.$device.jsonl"
        [ -s "${1%-*}.$2.$device.jsonl" ] || rm "${1%-*}.$2.$device.jsonl"
    done
}

if [ "${1-}" = --inside ]; then
    cd "$2" || exit 1
    for kernel in "${kernels[@]}"; do
        for transport in mmio pci; do
            one "$kernel" "$transport" >"$kernel.$transport.log" 2>&1
            cp talk/all.jsonl "$kernel.$transport.jsonl"
            cut_up "$kernel" "$transport"
        done
    done
    exit
fi
made=$top/build/replay
mkdir -p "$made"
for kernel in "${kernels[@]}"; do
    guests/mkinitramfs.sh "$kernel" "$made/$kernel.cpio" talk
done
tests/rig/rig.sh --counting --timeout 1500 --out "$made" -- tests/replay/record.sh --inside "$made"

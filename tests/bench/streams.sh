# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# For tests/bench/run.sh to source: how many megabytes go through a console's port, and through a vsock,
# for 1,000 M instructions, guest and host together (the program at the other end not counted), beside
# the installed QEMU where it has the same without a module of the kernel's.

streams_prepare() {
    "$top/guests/mkinitramfs.sh" "${guest##*/}" "$made/streams.cpio" vsock
}

# streams_linnet WORDS
streams_linnet() {
    "$linnet" run "${mem[@]}" --initrd "$made/streams.cpio" --kernel "$guest/vmlinuz" --vsock ./v \
        --console name=out,to=socket:out --console name=in,to=socket:in --append "$1" </dev/null >console 2>errors &
}

streams_qemu() {
    # shellcheck disable=SC2054 # the commas are an argument of QEMU
    qemu-system-x86_64 -M "microvm,acpi=on,pit=off,pic=off,rtc=off" -accel kvm -cpu host -m "${mem[1]}" \
        -nodefaults -no-user-config -display none -no-reboot -serial stdio \
        -global virtio-mmio.force-legacy=false -device virtio-serial-device \
        -chardev socket,id=out,path=out,server=on,wait=off -device virtserialport,chardev=out,name=out \
        -chardev socket,id=in,path=in,server=on,wait=off -device virtserialport,chardev=in,name=in \
        -kernel "$guest/vmlinuz" -initrd "$made/streams.cpio" -append "console=ttyS0 $1" </dev/null >console 2>errors &
}

# streams_rows_of NAME MACHINE WAY...
streams_rows_of() {
    local name=$1 machine=$2 words="quiet linnet.job=streams" way before pid peers=()
    shift 2
    for way; do words+=" linnet.arg=$way"; done
    : >console
    rm -f out in
    "$machine" "$words"
    pid=$!
    wait_for 60 test -S in
    socat -u -b 65536 UNIX-CONNECT:out OPEN:/dev/null &
    peers+=($!)
    head -c 67108864 /dev/zero | socat -u -b 65536 - UNIX-CONNECT:in &
    peers+=($!)
    socat -u -b 65536 UNIX-LISTEN:v_1000 OPEN:/dev/null &
    peers+=($!)
    head -c 67108864 /dev/zero | socat -u -b 65536 - UNIX-LISTEN:v_1001 &
    peers+=($!)
    for way; do
        wait_for 600 grep -q "^linnet-streams: begin $way" console
        before=$(cpu_ms "$pid")
        wait_for 600 grep -q "^linnet-streams: end $way" console
        awk -v name="streams.$name.$way" -v ms=$(($(cpu_ms "$pid") - before)) \
            'BEGIN { printf "%s %.0f MB/Ginstr\n", name, 67108.864 / ms }'
    done
    wait "$pid"
    kill "${peers[@]}" 2>/dev/null || true # most have ended
    rm -f v_1000 v_1001
}

streams_rows() {
    streams_rows_of linnet streams_linnet console_out console_in vsock_out vsock_in
    [ "$arch" != x86_64 ] || streams_rows_of qemu streams_qemu console_out console_in
}

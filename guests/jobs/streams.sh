# SPDX-License-Identifier: BSD-3-Clause
# streams WORD...: 64 MiB each: out of a console's port "out" or into its port "in" (console_out, console_in),
# to port 1000 of the host's or from its port 1001 (vsock_out, vsock_in). A second before and after each, for
# those who look.
load virtio_console
load vmw_vsock_virtio_transport

# port NAME: once the device has told it.
port() {
    for _ in $(seq 100); do
        for port in /sys/class/virtio-ports/*; do
            [ "$(cat "$port/name" 2>/dev/null)" != "$1" ] || { echo "/dev/${port##*/}" && return; }
        done
        sleep 0.1
    done
    fail "no port $1"
}

out=$(port out) in=$(port in)
for way; do
    echo "linnet-streams: begin $way"
    sleep 1
    case $way in
    console_out) dd if=/dev/zero of="$out" bs=64k count=1024 2>/dev/null ;;
    console_in) dd if="$in" of=/dev/null bs=64k count=1024 iflag=fullblock 2>/dev/null ;;
    vsock_out) socat -u -b 65536 OPEN:/dev/zero,readbytes=67108864 VSOCK-CONNECT:2:1000 ;;
    vsock_in) socat -u -b 65536 VSOCK-CONNECT:2:1001 OPEN:/dev/null ;;
    esac || fail "$way"
    echo "linnet-streams: end $way"
    sleep 1
done
ok

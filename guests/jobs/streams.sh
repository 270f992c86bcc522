# SPDX-License-Identifier: BSD-3-Clause
# streams WORD...: 64 MiB each: out of a console's port "stream" or into it (console_out, console_in), to
# port 1000 of the host's or from its port 1001 (vsock_out, vsock_in). A second before each.
load virtio_console
load vmw_vsock_virtio_transport

# port NAME
port() {
    for port in /sys/class/virtio-ports/*; do
        [ "$(cat "$port/name" 2>/dev/null)" != "$1" ] || echo "/dev/${port##*/}"
    done
}

for way; do
    sleep 1
    echo "linnet-streams: begin $way"
    case $way in
    console_out) dd if=/dev/zero of="$(port stream)" bs=64k count=1024 2>/dev/null ;;
    console_in) dd if="$(port stream)" of=/dev/null bs=64k count=1024 iflag=fullblock 2>/dev/null ;;
    vsock_out) head -c 67108864 /dev/zero | socat -u -b 65536 - VSOCK-CONNECT:2:1000 ;;
    vsock_in) socat -u -b 65536 VSOCK-CONNECT:2:1001 OPEN:/dev/null ;;
    esac || fail "$way"
    echo "linnet-streams: end $way"
done
ok

# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Network cards (virtio-net).

net_prepare() {
    "$top/guests/mkinitramfs.sh" "$stock" "$made/$stock.net" net
}

# net_serve ADDRESS: what the guest gets and sends, at ports of this machine.
net_serve() {
    head -c 4194304 /dev/urandom >down
    socat -u FILE:down "TCP-LISTEN:7001,bind=$1,reuseaddr" &
    socat -u "TCP-LISTEN:7002,bind=$1,reuseaddr" CREATE:up &
}

# interface NAME ADDRESS [WORD...]: a tap interface with that address.
interface() {
    ip tuntap add "$1" mode tap "${@:3}" || skip "no tap interface can be made here"
    ip addr add "$2/24" dev "$1"
    ip link set "$1" up
}

net_says() {
    grep -qE "^linnet-net: $1|^linnet-job: net failed" console
}

# net_case NET ADDRESS GATEWAY IN: boots with that card; IN is where port 5000 of the guest is found
# once it listens.
net_case() {
    local vm status=0
    "$linnet" run --name wren --cpus 2 --control vm --net "$1" --initrd "$made/$stock.net" \
        --append "$(job net "$2" "$3")" "$guests/$stock/vmlinuz" </dev/null >console 2>errors &
    vm=$!
    trap 'kill -KILL "$vm" || true; cat console errors' EXIT # if something fails
    wait_for "$boot_seconds_max" net_says listening
    head -c 4194304 /dev/urandom >in
    socat -u FILE:in "TCP:$($4)"
    wait_for "$boot_seconds_max" net_says in
    "$linnet" control vm net0 status
    "$linnet" control vm net0 link down
    wait_for "$boot_seconds_max" net_says unplugged
    "$linnet" control vm net0 link up
    trap - EXIT
    wait "$vm" || status=$?
    cat console errors
    [ "$status" = 0 ] || fail "exit status $status"
    done_job net
    for name in down up in; do
        grep -q "^linnet-net: $name $(sha256sum <"$name" | cut -d ' ' -f 1)" console ||
            fail "$name differs"
    done
}

# With checksums and segmentation left to the kernel, and two queues.
net_tap() {
    interface tap0 10.8.0.1 multi_queue
    net_serve 10.8.0.1
    net_case tap,name=tap0,queues=2 10.8.0.2 10.8.0.1 "echo 10.8.0.2:5000"
    grep -q '^linnet-net: 02:.* queues 2' console || fail "no two queues"
    [ ! -s errors ] || fail "linnet had something to say"
}

boot_case smp net-tap net_tap

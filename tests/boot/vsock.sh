# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The socket device (virtio-vsock), with socat at both ends.

vsock_prepare() {
    "$top/guests/mkinitramfs.sh" "$stock" "$made/$stock.vsock" vsock
}

vsock_says() {
    grep -qE "^linnet-vsock: $1|^linnet-job: vsock failed" console
}

# vsock_serve BYTES: what the guest connects to, and gets.
vsock_serve() {
    local port
    head -c "$1" /dev/urandom >down
    readers=()
    socat -u UNIX-LISTEN:v_1000 CREATE:up &
    readers+=($!)
    socat -u FILE:down UNIX-LISTEN:v_1001 &
    socat -u UNIX-LISTEN:v_1002 SYSTEM:'sleep 5; cat >slow' &
    readers+=($!)
    socat -t 600 UNIX-LISTEN:v_1003 PIPE &
    for port in 1000 1001 1002 1003; do wait_for "$boot_seconds_max" test -S "v_$port"; done
}

# vsock_to PORT FILE: sends it, shuts that direction down, and prints what comes back.
vsock_to() {
    local answer
    answer=$(mktemp answer.XXXXXX)
    { echo "CONNECT $1" && cat "$2"; } | socat -t 600 - UNIX-CONNECT:v >"$answer"
    [ "$(head -n 1 "$answer")" = "OK $1" ] && tail -n +2 "$answer"
}

# vsock_crowd: many streams at once.
vsock_crowd() {
    local i pids=()
    for i in $(seq 40); do
        head -c $((i * 999)) down | tail -c 50000 >"crowd.$i"
        (vsock_to 5000 "crowd.$i" | cmp - "crowd.$i") &
        pids+=($!)
    done
    for i in "${pids[@]}"; do wait "$i" || fail "one of many streams"; done
}

# vsock_talk: what is done to a guest that listens.
vsock_talk() {
    local hash port
    hash=$(sha256sum <down)
    [ "$(vsock_to 5001 down)" = "$hash" ] || fail "half-close"
    [ "$(vsock_to 5002 down)" = "$hash" ] || fail "a guest that is slow"
    ! vsock_to 4000 down || fail "nobody listens there"
    vsock_crowd
    "$linnet" control vm vsock0 status | tee status
    port=$(sed -n 's/^tcp 127.0.0.1 port \([0-9]*\) to 5000$/\1/p' status)
    socat -t 600 - "TCP:127.0.0.1:$port" <down >back
    cmp back down || fail "by the TCP door"
    echo bye >bye
    vsock_to 5003 bye || fail "the last one"
}

# vsock_ends PID: the machine does, and all that went either way is whole.
vsock_ends() {
    trap - EXIT
    ends_well "$1" vsock
    wait "${readers[@]}" || true # they have written all
    cmp up slow
    grep -q "^linnet-vsock: up $(sha256sum <up | cut -d ' ' -f 1)" console || fail "up differs"
    grep -q "^linnet-vsock: down $(sha256sum <down | cut -d ' ' -f 1)" console || fail "down differs"
}

# vsock_case [BYTES]: so many each way.
vsock_case() {
    local vm bytes=${1-1048576} readers # more than all buffers on the way
    vsock_serve "$bytes"
    "$linnet" run --cpus 2 --control vm --vsock ./v,forward=tcp:127.0.0.1:0-5000 \
        --initrd "$made/$stock.vsock" --append "$(job vsock "$bytes")" "$guests/$stock/vmlinuz" \
        </dev/null >console 2>errors &
    vm=$!
    trap 'kill -KILL "$vm" || true; cat console errors' EXIT # if something fails
    wait_for "$boot_seconds_max" vsock_says listening
    vsock_talk
    vsock_ends "$vm"
    [ ! -e v ] || fail "the socket is left"
}

vsock_large() {
    vsock_case 67108864
}

# By the kernel of the outer machine: an address of its AF_VSOCK.
vsock_kernel() {
    local vm readers
    [ -e /dev/vhost-vsock ] || skip "no /dev/vhost-vsock"
    head -c 4194304 /dev/urandom >down
    socat -u VSOCK-LISTEN:1000 CREATE:up &
    readers=($!)
    socat -u FILE:down VSOCK-LISTEN:1001 &
    socat -u VSOCK-LISTEN:1002 SYSTEM:'sleep 5; cat >slow' &
    readers+=($!)
    socat -t 600 VSOCK-LISTEN:1003 PIPE &
    "$linnet" run --cpus 2 --control vm --vsock vhost,cid=42 --initrd "$made/$stock.vsock" \
        --append "$(job vsock 4194304)" "$guests/$stock/vmlinuz" </dev/null >console 2>errors &
    vm=$!
    trap 'kill -KILL "$vm" || true; cat console errors' EXIT # if something fails
    wait_for "$boot_seconds_max" vsock_says listening
    "$linnet" control vm pause
    "$linnet" control vm resume
    [ "$(socat -t 600 - VSOCK-CONNECT:42:5001 <down)" = "$(sha256sum <down)" ] || fail "half-close"
    [ "$(socat -t 600 - VSOCK-CONNECT:42:5002 <down)" = "$(sha256sum <down)" ] || fail "a guest that is slow"
    echo bye | socat -u - VSOCK-CONNECT:42:5003
    vsock_ends "$vm"
}

boot_case smp vsock vsock_case
soak_case smp vsock-large vsock_large
soak_case smp vsock-kernel vsock_kernel x86_64

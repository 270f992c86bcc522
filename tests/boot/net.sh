# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Network cards (virtio-net).

net_prepare() {
    "$top/guests/mkinitramfs.sh" "$stock" "$made/$stock.net" net
    [ "$arch ${SOAK-}" != "x86_64 yes" ] || "$top/guests/mkinitramfs.sh" "$stock" "$made/$stock.iperf" iperf
}

# net_serve ADDRESS: what the guest gets and sends, at ports of this machine.
net_serve() {
    head -c 4194304 /dev/urandom >down
    socat -u FILE:down "TCP-LISTEN:7001,bind=$1,reuseaddr" &
    socat -u "TCP-LISTEN:7002,bind=$1,reuseaddr" CREATE:up &
    reader=$!
    wait_for "$boot_seconds_max" listens 7001 7002
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
    local vm
    warm "$made/$stock.net" "$guests/$stock/vmlinuz"
    "$linnet" run --name wren --cpus 2 --control vm --summary summary --net "$1" --initrd "$made/$stock.net" \
        --append "$(job net "$2" "$3")" "$guests/$stock/vmlinuz" </dev/null >console 2>errors &
    vm=$!
    trap 'kill -KILL "${vm-}" || true; cat console errors' EXIT # if something fails
    wait_for "$boot_seconds_max" net_says listening
    head -c 4194304 /dev/urandom >in
    socat -u FILE:in "TCP:$($4)"
    wait_for "$boot_seconds_max" net_says in
    "$linnet" control vm net0 status
    cat summary
    "$linnet" control vm net0 link down
    wait_for "$boot_seconds_max" net_says unplugged
    "$linnet" control vm net0 link up
    trap - EXIT
    ends_well "$vm" net
    wait "$reader" || true # it has written all
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

# The same with the frames moved by the kernel of the outer machine: what is sent is not cut here.
net_vhost() {
    [ -e /dev/vhost-net ] || skip "no /dev/vhost-net"
    interface tap0 10.8.0.1 multi_queue
    net_serve 10.8.0.1
    net_case tap,name=tap0,queues=2,vhost 10.8.0.2 10.8.0.1 "echo 10.8.0.2:5000"
    grep -q '^linnet-net: 02:.* queues 2' console || fail "no two queues"
    [ ! -s errors ] || fail "linnet had something to say"
}

# apart FUNCTION: in a network of its own, where it may be root.
apart() {
    local own=(unshare -mn)
    [ "$(id -u)" = 0 ] || own=(unshare -rmn)
    "${own[@]}" true || skip "no network namespace is to be had"
    # shellcheck disable=SC2016 # the inner shell's
    "${own[@]}" bash -eE -c '. "$1/common.sh"; . "$1/net.sh"; . "$1/net_soak.sh"; . "$1/left.sh"; ip link set lo up; "$2"' bash \
        "$top/tests/boot" "$1"
}

# A machine behind a router, for passt to share, with a name server and a page on its loopback, which end
# with this shell.
host_network() {
    interface way0 10.9.0.2 # nobody is at its other end
    ip route add default via 10.9.0.1
    echo "nameserver 127.0.0.1" >resolv.conf
    mount --bind resolv.conf /etc/resolv.conf
    setpriv --pdeathsig KILL dnsmasq --user=root --no-daemon --no-resolv --no-hosts --pid-file= --bind-interfaces \
        --listen-address=127.0.0.1 --address=/linnet.test/10.9.0.1 &
    mkdir pages
    head -c 1048576 /dev/urandom >pages/page
    setpriv --pdeathsig KILL busybox httpd -f -p 127.0.0.1:7003 -h pages &
    wait_for "$boot_seconds_max" listens 53 7003
    # A guest asks again for an address or a name after some seconds of a clock that runs ahead, and then gives up.
    warm_programs passt dnsmasq busybox
}

# Where the guest's port 5000 is found.
user_port() {
    "$linnet" control vm net0 status |
        sed -n 's/.*tcp \(127[0-9.]*\) port \([0-9]*\) to 5000.*/\1:\2/p'
}

# The host's network by passt: address, name, page, streams both ways, a port that leads in, which the
# summary tells. What is at the host's own loopback is at the gateway's address.
net_user_apart() {
    local port
    host_network
    net_serve 127.0.0.1
    net_case user,forward=tcp:127.0.0.1:0-5000 dhcp 10.9.0.1 user_port
    grep -q '^linnet-net: address 10.9.0.2/24' console || fail "not the host's address"
    grep -q '^linnet-net: linnet.test is 10.9.0.1' console || fail "no name"
    grep -q "^linnet-net: page $(sha256sum <pages/page | cut -d ' ' -f 1)" console || fail "page differs"
    port=$(sed -n 's/.*"tcp:5000": \([0-9]*\).*/\1/p' summary)
    grep -q " 127.0.0.1 port $port leads to the guest's port 5000" errors || fail "port \"$port\" in the summary"
}

net_user() {
    apart net_user_apart
}

# hub_all COUNT: so many machines have all, unless one has failed.
hub_all() {
    grep -q '^linnet-job: hub failed' console* || [ "$(cat console* | grep -c '^linnet-hub: has all')" = "$1" ]
}

# hub_case COUNT: machines on a hub, each of which gets what the others have. It ends with them.
hub_case() {
    local number sum vm vms=() keys=() fd
    warm "$made/$stock.net" "$guests/$stock/vmlinuz"
    for ((number = 1; number <= $1; number++)); do
        mkfifo "keys$number"
        exec {fd}<>"keys$number"
        keys+=("$fd")
        "$linnet" run --name "m$number" --mem 256M --net socket,path=lan --initrd "$made/$stock.net" \
            --append "$(job hub "$number" "$1")" "$guests/$stock/vmlinuz" \
            <"keys$number" >"console$number" 2>&1 &
        vms+=($!)
    done
    trap 'kill -KILL "${vms[@]}" || true; cat console*' EXIT # if something fails
    wait_for "$boot_seconds_max" hub_all "$1"
    for fd in "${keys[@]}"; do echo >&"$fd"; done
    for vm in "${vms[@]}"; do wait "$vm"; done
    trap - EXIT
    cat console*
    for ((number = 1; number <= $1; number++)); do
        grep -q '^linnet-job: hub ok' "console$number" || fail "$number did not do its job"
        sum=$(sed -n "s/^linnet-hub: of $number \([0-9a-f]*\).*/\1/p" "console$number")
        [ -n "$sum" ] || fail "$number does not say what it has"
        [ "$(cat console* | grep -c "^linnet-hub: from $number $sum")" = $(($1 - 1)) ] ||
            fail "not all have got what $number has"
    done
    wait_for "$boot_seconds_max" test ! -e lan
}

hub_two() {
    hub_case 2
}

hub_four() {
    hub_case 4
}

boot_case smp net-tap net_tap
soak_case smp net-vhost net_vhost x86_64
boot_case smp net-hub hub_two
boot_case smp net-user net_user

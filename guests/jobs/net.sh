# SPDX-License-Identifier: BSD-3-Clause
# net ADDRESS GATEWAY: eth0 gets that address, or by DHCP if it is "dhcp". Takes what port 7001 of the
# gateway gives, sends as much to port 7002, and takes what comes to port 5000; tells all hashes. Then
# waits for the cable to be pulled and put back.
load virtio_net

hash() {
    sha256sum <"$1" | cut -d ' ' -f 1
}

# carrier 0|1: waits for it.
carrier() {
    for _ in $(seq 100); do
        [ "$(cat /sys/class/net/eth0/carrier)" != "$1" ] || return 0
        sleep 0.1
    done
    fail "carrier is not $1"
}

ip link set lo up
ip link set eth0 up
if [ "$1" = dhcp ]; then
    cat >/tmp/lease <<'EOF'
#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr add "$ip/$mask" dev eth0
ip route add default via "$router" dev eth0
EOF
    chmod 755 /tmp/lease
    udhcpc -q -n -i eth0 -s /tmp/lease || fail "no lease"
else
    ip addr add "$1/24" dev eth0
fi
echo "linnet-net: $(cat /sys/class/net/eth0/address) mtu $(cat /sys/class/net/eth0/mtu)" \
    "queues $(ls -d /sys/class/net/eth0/queues/tx-* | wc -l)"
nc "$2" 7001 </dev/null >/tmp/down
echo "linnet-net: down $(hash /tmp/down)"
head -c 4194304 /dev/urandom >/tmp/up
nc "$2" 7002 </tmp/up >/dev/null
echo "linnet-net: up $(hash /tmp/up)"
nc -l -p 5000 </dev/null >/tmp/in &
sleep 1
echo "linnet-net: listening"
wait
echo "linnet-net: in $(hash /tmp/in)"
carrier 0
echo "linnet-net: unplugged"
carrier 1
ok

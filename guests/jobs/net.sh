# SPDX-License-Identifier: BSD-3-Clause
# net ADDRESS GATEWAY: eth0 gets that address, or by DHCP if it is "dhcp"; then linnet.test is looked up,
# and a page got from there. Takes what port 7001 of the gateway gives, sends as much to port 7002, and
# takes what comes to port 5000; tells all hashes. While it sends, its rings change their sizes. Then waits
# for the cable to be pulled and put back.
. /jobs/eth0.sh

# carrier 0|1
carrier() {
    [ "$(cat /sys/class/net/eth0/carrier)" = "$1" ]
}

# listens PORT
listens() {
    grep -q "$(printf ':%04X 0*:0000 0A' "$1")" /proc/net/tcp /proc/net/tcp6
}

# resize PID: resets one queue after the other (VIRTIO_F_RING_RESET), while that process runs and once
# around at least. Over mmio Linux does not know how to.
resize() {
    local count=0
    while [ "$count" = 0 ] || { [ "$count" -lt 30 ] && kill -0 "$1" 2>/dev/null; }; do
        for sizes in 32:64 256:32 64:256; do
            ethtool -G eth0 rx "${sizes%:*}" tx "${sizes#*:}" >/tmp/ethtool 2>&1 || break 2
            count=$((count + 1))
        done
        sleep 0.05
    done
    wait "$1"
    echo "linnet-net: resized $count times $(cat /tmp/ethtool)"
    case $(readlink -f /sys/class/net/eth0/device) in
    *pci*) ethtool -g eth0 | grep -qx 'RX:[[:blank:]]*64' || fail "rings: $(ethtool -g eth0)" ;;
    *) grep -q 'No such file' /tmp/ethtool || fail "rings over mmio" ;;
    esac
}

eth0 "$1"
if [ "$1" = dhcp ]; then
    address=$(nslookup linnet.test | awk '/^Name:/ { getline; print $NF }')
    echo "linnet-net: linnet.test is $address"
    wget -q -O /tmp/page "http://$address:7003/page" || fail "no page"
    echo "linnet-net: page $(hash /tmp/page)"
    ip -6 -o addr show dev eth0 scope global | sed 's/^/linnet-net: /'
fi
echo "linnet-net: $(cat /sys/class/net/eth0/address) mtu $(cat /sys/class/net/eth0/mtu)" \
    "queues $(ls -d /sys/class/net/eth0/queues/tx-* | wc -l)"
nc "$2" 7001 <>"$open" >/tmp/down
echo "linnet-net: down $(hash /tmp/down)"
head -c 4194304 /dev/urandom >/tmp/up
nc "$2" 7002 </tmp/up >/dev/null &
resize $!
echo "linnet-net: up $(hash /tmp/up)"
nc -l -p 5000 <>"$open" >/tmp/in &
await listens 5000
echo "linnet-net: listening"
wait
echo "linnet-net: in $(hash /tmp/in)"
await carrier 0
echo "linnet-net: unplugged"
await carrier 1
ok

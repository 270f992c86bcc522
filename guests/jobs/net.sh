# SPDX-License-Identifier: BSD-3-Clause
# net ADDRESS GATEWAY: eth0 gets that address, or by DHCP if it is "dhcp"; then linnet.test is looked up,
# and a page got from there. Takes what port 7001 of the gateway gives, sends as much to port 7002, and
# takes what comes to port 5000; tells all hashes. Then waits for the cable to be pulled and put back.
. /jobs/eth0.sh

# carrier 0|1: waits for it.
carrier() {
    for _ in $(seq 100); do
        [ "$(cat /sys/class/net/eth0/carrier)" != "$1" ] || return 0
        sleep 0.1
    done
    fail "carrier is not $1"
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
nc "$2" 7002 </tmp/up >/dev/null
echo "linnet-net: up $(hash /tmp/up)"
nc -l -p 5000 <>"$open" >/tmp/in &
sleep 1
echo "linnet-net: listening"
wait
echo "linnet-net: in $(hash /tmp/in)"
carrier 0
echo "linnet-net: unplugged"
carrier 1
ok

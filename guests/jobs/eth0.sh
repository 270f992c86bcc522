# SPDX-License-Identifier: BSD-3-Clause
# For other jobs to source.

# eth0 ADDRESS: has that address, or one by DHCP if it is "dhcp".
eth0() {
    load virtio_net
    load af_packet
    ip link set lo up
    ip link set eth0 up
    [ "$1" = dhcp ] || { ip addr add "$1/24" dev eth0 && return; }
    cat >/tmp/lease <<'EOF'
#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr add "$ip/$mask" dev eth0
ip route add default via "$router" dev eth0
echo "nameserver $dns" >/etc/resolv.conf
EOF
    chmod 755 /tmp/lease
    mkdir -p /etc
    udhcpc -q -n -t 100 -i eth0 -s /tmp/lease || fail "no lease"
    echo "linnet-net: address $(ip -4 -o addr show dev eth0 | awk '{ print $4 }')"
}

hash() {
    sha256sum <"$1" | cut -d ' ' -f 1
}

# shellcheck disable=SC2034 # for those who source this: input without an end. Debian 12's passt sends the
# same bytes again in a stream that the guest has closed half.
open=/tmp/open
mkfifo "$open"

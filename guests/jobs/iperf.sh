# SPDX-License-Identifier: BSD-3-Clause
# iperf ADDRESS server            serves three times
# iperf ADDRESS PEER SECONDS UDP RATE  TCP to it and from it, SECONDS each, and UDP for UDP seconds
. /jobs/eth0.sh

eth0 "$1"
if [ "$2" = server ]; then
    echo "linnet-iperf: ready"
    for _ in 1 2 3; do iperf3 -s -1 >/dev/null || fail "iperf3"; done
    ok
    poweroff -f
fi

# run NAME OPTION...
run() {
    local name=$1
    shift
    iperf3 -c "$server" -f m "$@" >/tmp/iperf || fail "iperf3: $(tail -n 1 /tmp/iperf)"
    grep -E '(sender|receiver)$' /tmp/iperf | sed "s/^/linnet-iperf: $name /"
}

server=$2
run out -t "$3"
run in -t "$3" -R
run udp -u -b "$5" --pacing-timer 20000 -t "$4"
ok

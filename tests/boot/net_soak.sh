# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Long proofs of networks, for `make soak`.

iperf_seconds=${IPERF_SECONDS:-10} # of TCP, each way
udp_seconds=${UDP_SECONDS:-600}
udp_rate=${UDP_RATE:-4M}           # what the rig comes through with in a few minutes; 400M elsewhere
udp_lost_max=1                     # in a hundred

# iperf_boot NAME NET ARG...: a machine in the background, its process id in $vm.
iperf_boot() {
    warm "$made/$stock.iperf" "$guests/$stock/vmlinuz"
    timeout --kill-after 5 $((2 * iperf_seconds + udp_seconds + boot_seconds_max)) \
        "$linnet" run --name "$1" --cpus 2 --net "$2" --initrd "$made/$stock.iperf" --append "$(job iperf "${@:3}")" \
        "$guests/$stock/vmlinuz" </dev/null >"console-$1" 2>"errors-$1" &
    vm=$!
}

# iperf_judge NAME: what iperf3 had to tell there, with retransmissions, and the loss of UDP.
iperf_judge() {
    local lost
    cat "console-$1" "errors-$1"
    grep -q '^linnet-job: iperf ok' "console-$1" || fail "the guest did not do its job"
    for way in out in udp; do
        grep -q "^linnet-iperf: $way .*receiver" "console-$1" || fail "no figure for $way"
    done
    lost=$(sed -n 's/^linnet-iperf: udp .*(\([0-9.e+-]*\)%).*receiver.*/\1/p' "console-$1")
    awk -v lost="$lost" -v max="$udp_lost_max" 'BEGIN { exit !(lost != "" && lost <= max) }' || fail "of UDP $lost % are lost"
}

# iperf_host NET ADDRESS SERVER: against this host.
iperf_host() {
    local vm server status=0
    iperf3 -s >/dev/null &
    server=$!
    iperf_boot client "$1" "$2" "$3" "$iperf_seconds" "$udp_seconds" "$udp_rate"
    trap 'kill "$vm" "$server" || true; cat ./*-client' EXIT # if something fails
    wait "$vm" || status=$?
    trap - EXIT
    kill "$server"
    iperf_judge client
    [ "$status" = 0 ] || fail "exit status $status"
}

iperf_tap() {
    interface tap0 10.8.0.1
    iperf_host tap,name=tap0 10.8.0.2 10.8.0.1
}

iperf_user_apart() {
    host_network
    iperf_host user dhcp 10.9.0.1
}

iperf_user() {
    apart iperf_user_apart
}

# A shell in the guest, by a port of this host that leads to its dropbear: this host's own program.
ssh_in_apart() {
    local vm port status=0 login=(dbclient -y -y -i id -p)
    host_network
    dropbearkey -t ed25519 -f id >id.text
    # shellcheck disable=SC2016 # the guest's
    "$linnet" run --control vm --net user,forward=tcp:127.0.0.1:0-22 "$guests/$stock/vmlinuz" -- sh -c 'umask 077
        mkdir -p ~/.ssh /etc/dropbear && cat >~/.ssh/authorized_keys && exec dropbear -F -E -R' \
        < <(grep ^ssh id.text) >console 2>errors &
    vm=$!
    trap 'kill -KILL "$vm" || true; cat console errors' EXIT # if something fails
    wait_for "$boot_seconds_max" grep -q 'Not backgrounding' errors
    port=$("$linnet" control vm net0 status | sed -n 's/.*tcp 127.0.0.1 port \([0-9]*\) to 22/\1/p')
    head -c 1000000 /dev/urandom >sent
    [ "$("${login[@]}" "$port" root@127.0.0.1 sha256sum <sent)" = "$(sha256sum <sent)" ] || fail "bytes differ"
    "${login[@]}" "$port" root@127.0.0.1 'exit 7' </dev/null || status=$?
    [ "$status" = 7 ] || fail "its status is $status"
    trap - EXIT
    "$linnet" control vm quit
    wait "$vm" || true
}

ssh_in() {
    apart ssh_in_apart
}

# Between two machines.
iperf_socket() {
    local vm server client
    iperf_boot server socket,path=lan 10.7.0.1 server
    server=$vm
    trap 'kill "$server" || true; cat ./*-server' EXIT # if something fails
    wait_for "$boot_seconds_max" grep -q '^linnet-iperf: ready' console-server
    iperf_boot client socket,path=lan 10.7.0.2 10.7.0.1 "$iperf_seconds" "$udp_seconds" "$udp_rate"
    client=$vm
    trap 'kill "$server" "$client" || true; cat ./*-server ./*-client' EXIT
    wait "$client"
    wait "$server"
    trap - EXIT
    iperf_judge client
}

soak_case smp net-iperf-tap iperf_tap x86_64
soak_case smp net-iperf-user iperf_user x86_64
soak_case smp net-iperf-socket iperf_socket x86_64
soak_case smp net-ssh-in ssh_in x86_64
soak_case smp net-hub-four hub_four

# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# For tests/bench/run.sh to source: what a network card on a tap costs the host, beside the installed QEMU:
# a byte to and fro by TCP, and streams both ways. The other end is a program of the host's own, which is
# not counted. As with sound, the guest's share is known from the trace of VM entries and exits, in a
# second window.

net_prepare() {
    "$cc" -O2 -static -o "$made/net_rr" "$here/net_rr.c"
    "$top/guests/mkinitramfs.sh" "${guest##*/}" "$made/net.cpio" net
    "$top/guests/addfiles.sh" "$made/net.cpio" "$made/net.cpio" "$made/net_rr"
}

# net_linnet LOAD WORDS OPTION...: WORDS of --net.
net_linnet() {
    background --initrd "$made/net.cpio" --net "tap,name=tap0$2" "${@:3}" \
        --append "quiet linnet.job=netload linnet.arg=$1"
}

# net_qemu LOAD WORDS: of -netdev.
net_qemu() {
    # shellcheck disable=SC2054 # the commas are an argument of QEMU
    local options=(-M "microvm,acpi=on,pit=off,pic=off,rtc=off" -accel kvm -cpu host -name net,debug-threads=on
        -m "${mem[1]}" -nodefaults -no-user-config -display none -no-reboot -serial stdio
        -global virtio-mmio.force-legacy=false -netdev "tap,id=net,ifname=tap0,script=no,downscript=no$2"
        -device virtio-net-device,netdev=net)
    qemu-system-x86_64 "${options[@]}" -kernel "$guest/vmlinuz" -initrd "$made/net.cpio" \
        -append "console=ttyS0 quiet linnet.job=netload linnet.arg=$1" </dev/null >console 2>errors &
    pid=$!
}

# tap_stat NAME: of the interface; what it sends is what the guest receives.
tap_stat() {
    local value
    read -r value <"/sys/class/net/tap0/statistics/$1"
    echo "$value"
}

tap_runs() {
    [ "$(tap_stat rx_packets)" -gt 1000 ]
}

# net_peer LOAD: the other end, its process id in $peer.
net_peer() {
    case $1 in
    rr) socat TCP-LISTEN:7010,bind=10.8.0.1,nodelay,reuseaddr PIPE & ;;
    out) socat -u -b 65536 TCP-LISTEN:7011,bind=10.8.0.1,reuseaddr OPEN:/dev/null & ;;
    in) socat -u -b 65536 OPEN:/dev/zero TCP:10.8.0.2:7012,retry=100,interval=0.2 & ;;
    esac
    peer=$!
}

# net_look NAME: takes what is counted of $pid into the array NAME.
net_look() {
    # shellcheck disable=SC2178 # another file has an array of that name
    local -n seen=$1
    # shellcheck disable=SC2034 # by reference
    seen=([vcpu]=$(threads_ns "$pid" "$vcpu") [rest]=$(threads_ns "$pid" "!($vcpu)") [kernel]=$(kernel_ns)
        [done]=$(tap_stat "$counter"))
}

# net_row WHO VCPU LOAD COUNTER UNIT: what the host has to do for one of what is counted (a byte: for a
# million), by the process $pid, whose vCPU's thread has that name.
net_row() {
    local vcpu=$2 load=$3 counter=$4 peer part total count ns _
    local -A before after
    net_peer "$load"
    wait_for 600 tap_runs
    net_look before
    sleep 3
    net_look after
    total=0
    for part in vcpu rest kernel; do total=$((total + after[$part] - before[$part])); done
    trace_begin
    count=$(tap_stat "$counter")
    sleep 1
    count=$(($(tap_stat "$counter") - count))
    trace_end
    read -r ns _ < <(grep -v '^#' "$tracing/trace" | guest_ns)
    awk -v all="$total" -v of="$((after[done] - before[done]))" -v guest="$ns" -v guest_of="$count" \
        -v name="net.$1.$load" -v unit="$5" 'BEGIN {
            each = all / of - guest / guest_of
            if (unit == "MB") printf "%s %.0f kinstr/MB\n", name, each * 1000
            else printf "%s %.0f instr/%s\n", name, each, unit
        }'
    end_background
    kill "$peer" 2>/dev/null || true # it has ended if the guest closed
    wait "$peer" || true
}

net_rows() {
    local load counter unit
    [ "$arch" = x86_64 ] || return 0 # another outer machine has no ip and no socat
    for load in rr out in; do
        case $load in
        rr) counter=rx_packets unit=transaction ;;
        out) counter=rx_bytes unit=MB ;;
        in) counter=tx_bytes unit=MB ;;
        esac
        net_fresh_tap
        net_linnet "$load" ''
        net_row linnet 'vcpu*' "$load" "$counter" "$unit"
        net_fresh_tap
        net_linnet "$load" '' --transport pci
        net_row linnet_pci 'vcpu*' "$load" "$counter" "$unit"
        net_fresh_tap
        net_linnet "$load" ,vhost --transport pci
        net_row linnet_pci_vhost 'vcpu*' "$load" "$counter" "$unit"
        net_fresh_tap
        net_qemu "$load" ''
        net_row qemu 'CPU *' "$load" "$counter" "$unit"
        net_fresh_tap
        net_qemu "$load" ,vhost=on
        net_row qemu_vhost 'CPU *' "$load" "$counter" "$unit"
    done
}

net_fresh_tap() {
    ip link del tap0 2>/dev/null || true
    ip tuntap add tap0 mode tap
    ip addr add 10.8.0.1/24 dev tap0
    ip link set tap0 up
}

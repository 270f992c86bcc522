# SPDX-License-Identifier: BSD-3-Clause
# vsock BYTES: sends so many to ports of the host (1000, 1002 whose peer is slow, 1003 which sends all back), takes
# what port 1001 gives, and tells hashes; then serves ports 5000 (sends all back), 5001 (tells the hash
# of all that came), 5002 (the same, but slowly), until something comes to 5003.
load vmw_vsock_virtio_transport

hash() {
    sha256sum | cut -d ' ' -f 1
}

# connect PORT [OPTION...]
connect() {
    local port=$1
    shift
    socat "$@" "VSOCK-CONNECT:2:$port"
}

head -c "$1" /dev/urandom >/tmp/up
connect 1000 -u FILE:/tmp/up || fail "up"
echo "linnet-vsock: up $(hash </tmp/up)"
echo "linnet-vsock: down $(socat -u VSOCK-CONNECT:2:1001 - | hash)"
connect 1002 -u FILE:/tmp/up || fail "up, slowly"
head -c 300000 /tmp/up >/tmp/part
connect 1003 -t 600 - </tmp/part | cmp - /tmp/part || fail "back and forth"
connect 4000 - </dev/null 2>/tmp/error && fail "nobody listens there"
grep -q 'Connection reset by peer' /tmp/error || fail "refused: $(cat /tmp/error)"

# accept WORD...: socat in the background, until it waits for somebody: in accept(), pselect() or poll() of
# either architecture, which it does when it listens.
accept() {
    socat "$@" &
    last=$!
    await waits_in $last 43 288 270 7 202 242 72 73
}
accept -t 600 VSOCK-LISTEN:5000,fork,backlog=128 PIPE
accept -t 600 VSOCK-LISTEN:5001,fork SYSTEM:sha256sum
accept -t 600 VSOCK-LISTEN:5002,fork SYSTEM:'sleep 5; sha256sum'
accept -u VSOCK-LISTEN:5003 CREATE:/tmp/bye
echo "linnet-vsock: listening"
wait $last
grep -q bye /tmp/bye || fail "no good bye"
ok

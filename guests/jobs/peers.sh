# SPDX-License-Identifier: BSD-3-Clause
# peers BYTES: by a socket device that shuts both directions down where one is, sends so many to port 1003 of the
# host, which sends them all back, and tells the hash of what port 1001 gives; then serves port 5000 (sends all back),
# until a line comes from the console; and when the host has killed who serves the device, goes on.
load vmw_vsock_virtio_transport

head -c "$1" /dev/urandom >/tmp/up
mkfifo /tmp/hold # the connection is held until all has come back
{ cat /tmp/up /tmp/hold; } | socat - VSOCK-CONNECT:2:1003 | { head -c "$1" >/tmp/back && : >/tmp/hold; }
cmp /tmp/up /tmp/back || fail "what came back is not what was sent"
echo "linnet-peers: down $(socat -u VSOCK-CONNECT:2:1001 - | sha256sum | cut -d ' ' -f 1)"
socat VSOCK-LISTEN:5000,fork,backlog=128 PIPE &
await waits_in $! 43 288 270 7 202 242 72 73 # it listens, see vsock.sh
echo "linnet-peers: listening"
read -r _

socat -u /dev/zero VSOCK-CONNECT:2:1003 2>/dev/null &
echo "linnet-peers: busy"
read -r _
[ "$(dd if=/dev/hwrng bs=64 count=1 2>/dev/null | wc -c)" = 64 ] || fail "no 64 random bytes"
ok

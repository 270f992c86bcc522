# SPDX-License-Identifier: BSD-3-Clause
# balloon MIB: fills that much memory and frees it; then the host changes the balloon's size. It says
# "linnet-balloon: WHAT" when the host is to look, or to do that, and goes on at a line from it.
load virtio_balloon

free_mib() {
    echo $(($(sed -n 's/^MemFree: *\([0-9]*\) kB.*/\1/p' /proc/meminfo) / 1024))
}

# free_within LEAST MOST: MiB.
free_within() {
    free=$(free_mib)
    [ "$free" -ge "$1" ] && [ "$free" -le "$2" ]
}

# host WHAT
host() {
    echo "linnet-balloon: $1"
    read -r _
}

mkdir /full
mount -t tmpfs -o size=100% none /full
dd if=/dev/zero of=/full/bytes bs=1M count="$1" 2>/dev/null || fail "dd"
host full
rm /full/bytes
host freed
before=$(free_mib)
host inflate
await free_within 0 $((before - $1 * 3 / 4))
echo "balloon: $(free_mib) of $before MiB are left"
host stats
host deflate
await free_within $((before - 20)) 9999
host inflate
await free_within 0 $((before - $1 * 3 / 4))
# More than is left: the balloon gives it back before anybody is killed.
dd if=/dev/zero of=/full/bytes bs=1M count=$((before - $1 / 2)) 2>/dev/null || fail "the balloon kept it"
ok

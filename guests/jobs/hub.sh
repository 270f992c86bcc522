# SPDX-License-Identifier: BSD-3-Clause
# hub NUMBER COUNT: one of COUNT machines on a hub, 10.7.0.NUMBER. Has a MiB for the others, and
# gets theirs; tells all hashes. It ends at a line from the host, when all have got all.
. /jobs/eth0.sh

# get NUMBER: what another one has, once it is there.
get() {
    wget -q -O "/tmp/data.$1" "http://10.7.0.$1/data" 2>/dev/null
}

eth0 "10.7.0.$1"
mkdir /tmp/pages
head -c 1048576 /dev/urandom >/tmp/pages/data
echo "linnet-hub: of $1 $(hash /tmp/pages/data)"
httpd -h /tmp/pages
for other in $(seq "$2"); do
    [ "$other" != "$1" ] || continue
    await get "$other"
    echo "linnet-hub: from $other $(hash "/tmp/data.$other")"
    ping -c 3 -q "10.7.0.$other" >/tmp/ping || fail "no answer from $other"
done
echo "linnet-hub: has all"
read -r _
ok

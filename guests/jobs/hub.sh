# SPDX-License-Identifier: BSD-3-Clause
# hub NUMBER COUNT: one of COUNT machines on a hub, 10.7.0.NUMBER. Has four megabytes for the others, and
# gets theirs; tells all hashes.
. /jobs/eth0.sh

# get NUMBER NAME: from another one; waits until it is there.
get() {
    for _ in $(seq 600); do
        ! wget -q -O "/tmp/$2.$1" "http://10.7.0.$1/$2" 2>/dev/null || return 0
        sleep 0.2
    done
    fail "no $2 from $1"
}

eth0 "10.7.0.$1"
mkdir /tmp/pages
head -c 4194304 /dev/urandom >/tmp/pages/data
echo "linnet-hub: of $1 $(hash /tmp/pages/data)"
httpd -h /tmp/pages
for other in $(seq "$2"); do
    [ "$other" != "$1" ] || continue
    get "$other" data
    echo "linnet-hub: from $other $(hash "/tmp/data.$other")"
    ping -c 3 -q "10.7.0.$other" >/tmp/ping || fail "no answer from $other"
done
echo yes >/tmp/pages/finished
for other in $(seq "$2"); do
    [ "$other" = "$1" ] || get "$other" finished
done
sleep 15 # others ask for mine
ok

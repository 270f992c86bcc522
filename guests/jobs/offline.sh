# SPDX-License-Identifier: BSD-3-Clause
# Takes CPU 1, to which the entropy device's interrupts go, away and brings it back, $1 times, while
# random numbers are read without end: one request at a time, so that one interrupt that is lost
# stops them for ever.
cpu=/sys/devices/system/cpu/cpu1/online
irq=$(sed -n 's/^ *\([0-9]*\):.*virtio0\(-input\)\{0,1\}$/\1/p' /proc/interrupts)
[ -n "$irq" ] || fail "no interrupt of virtio0"
cat /dev/hwrng >/dev/null &

interrupts() {
    awk -v irq="$irq:" '$1 == irq { print $2 + $3 }' /proc/interrupts
}

# Waits until there were more interrupts: 20 s at most, seldom more than a millisecond.
reads_go_on() {
    local before tries=0
    before=$(interrupts)
    while [ "$(interrupts)" -le "$before" ]; do
        [ $tries -lt 20000 ] || fail "no random numbers any more, after $i times"
        tries=$((tries + 1))
        usleep 1000
    done
}

for i in $(seq "$1"); do
    echo 1 >"/proc/irq/$irq/smp_affinity_list" || fail "affinity"
    reads_go_on
    echo 0 >$cpu || fail "CPU 1 does not go"
    echo 1 >$cpu || fail "CPU 1 does not come"
done
reads_go_on
echo "offline: $i times, $(interrupts) interrupts"
ok

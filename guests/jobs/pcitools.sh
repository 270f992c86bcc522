# SPDX-License-Identifier: BSD-3-Clause
# pcitools: what pciutils see of the functions, and what becomes of them when their registers are written:
# bus mastering and memory go off and on, a BAR moves. The entropy device (00:00.0) is in use meanwhile.
load virtio_balloon
where=00:00.0
rng=/sys/bus/pci/devices/0000:$where

numbers() {
    [ "$(dd if=/dev/hwrng bs=512 count=4 2>/dev/null | wc -c)" = 2048 ] || fail "$1: no random numbers"
}

# set_and_see REGISTER VALUE
set_and_see() {
    setpci -s $where "$1=$2" || fail "setpci $1=$2"
    echo "pci: $1=$2 reads $(setpci -s $where "$1")"
}

# word OFFSET: of its first BAR, at $at.
word() {
    devmem $((0x$at + $1)) 8
}

echo "linnet-pci: lspci"
lspci -vv -n || fail "lspci"
echo "linnet-pci: end"
[ "$(setpci -s $where 0.w) $(setpci -s $where 2.w)" = "1af4 1044" ] || fail "not the entropy device"
set_and_see 0.l ffffffff # read-only
set_and_see 2c.l ffffffff
mount -t tmpfs none /tmp # the root is a share
numbers "at first"

# Without bus mastering it sends no interrupt; what it had to say comes when it may again.
dd if=/dev/hwrng of=/tmp/numbers bs=64 2>/dev/null &
reader=$!
for i in 1 2 3 4; do
    setpci -s $where COMMAND=0:4
    before=$(stat -c %s /tmp/numbers)
    usleep 50000
    after=$(stat -c %s /tmp/numbers)
    [ $((after - before)) -le 256 ] || fail "$((after - before)) bytes came without bus mastering"
    setpci -s $where COMMAND=4:4
    tries=0
    while [ "$(stat -c %s /tmp/numbers)" -lt $((after + 512)) ]; do
        tries=$((tries + 1))
        [ $tries -lt 600 ] || fail "no random numbers any more, after $i times"
        usleep 20000
    done
done
kill $reader
wait $reader
echo "linnet-pci: bus mastering, $i times"

# Without memory nothing answers, and nothing is lost but a kick: it comes back at once, for the kernel itself takes
# random numbers every few seconds.
at=$(setpci -s $where BASE_ADDRESS_0)
for i in 1 2 3 4; do
    setpci -s $where COMMAND=0:2 COMMAND=2:2
    numbers "memory off and on, $i times"
done

# It moves, with no driver (Linux leaves it at ACKNOWLEDGE, 1). Where the kernel has it move to when it finds it anew, its driver finds it, too.
echo 0000:$where >$rng/driver/unbind || fail "unbind"
setpci -s $where COMMAND=2:2
[ "$(word 20)" = 0x01 ] || fail "no device status at $at: $(word 20)"
to=$(printf '%08x' $((0x$at + 0x800000)))
setpci -s $where BASE_ADDRESS_0="$to"
[ "$(word 20)" = 0xFF ] || fail "something answers at $at: $(word 20)"
at=$to
[ "$(word 20)" = 0x01 ] || fail "no device status at $at: $(word 20)"
echo 1 >$rng/remove
echo 1 >/sys/bus/pci/rescan
read -r start _ <$rng/resource
echo "linnet-pci: moved to 0x$at, then to $start"
numbers "moved"
ok

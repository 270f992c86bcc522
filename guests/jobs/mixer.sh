# SPDX-License-Identifier: BSD-3-Clause
# mixer: looks at the mixer of the host's card Dummy, as amixer and alsactl show it here, changes
# it, and lets the host change it: it says "linnet-mixer: WHAT" when the host is to look or to do
# something, and goes on when it was done. The card's volumes go from -50 to 100, here from 0 to 150.
. /jobs/elements.sh
load virtio_snd
[ -e /dev/snd/controlC0 ] || fail "no sound device"

amixer -c 0 contents
volume="name='Master Volume'"
switch="name='Master Capture Switch'"
box="name='External I/O Box'"

# What was there before the guest.
is "$volume" 60,40
is "$switch" on,off
amixer -c 0 cget "$volume" | grep -q 'min=0,max=150' || fail "not the range"
amixer -c 0 cget "$volume" | grep -q 'dBscale-min=-45.00dB,step=0.30dB' || fail "not the dB"
amixer -c 0 cget "$box" | grep -q "Item #1 'CD Player'" || fail "no item"

monitor
amixer -q -c 0 cset "$volume" 150,20 || fail "volume"
is "$volume" 150,20
amixer -c 0 cget "$volume"
amixer -q -c 0 cset "$switch" off,on || fail "switch"
amixer -q -c 0 cset "$box" 'CD Player' || fail "box"
is "$box" 1
echo "linnet-mixer: look"
becomes "$volume" 57,58
becomes "$switch" on,off
becomes "$box" 0
aplay -q -D hw:0,0 /tone.wav || fail "aplay"

sleep 1
events
for what in 'Master Volume' 'Master Capture Switch' 'External I/O Box'; do
    [ "$(grep -c "$what.*VALUE" /tmp/events)" -ge 2 ] || fail "not two events of $what"
done
ok

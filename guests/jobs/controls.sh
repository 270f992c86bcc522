# SPDX-License-Identifier: BSD-3-Clause
# controls: looks at the card's mixer and jacks as amixer and alsactl show them, changes them, and
# lets the host change them: it says "linnet-controls: WHAT" when the host is to do that, and goes
# on when it was done. Plays /tone.wav in between, at half and at full volume.
. /jobs/elements.sh
load virtio_snd
[ -e /dev/snd/controlC0 ] || fail "no sound device"

amixer -c 0 contents
volume="name='Master Playback Volume'"
switch="name='Master Playback Switch'"
headphone="iface=CARD,name='Headphone Jack'"
mic="iface=CARD,name='Mic Jack'"

is "$headphone" on
is "$mic" off
is "$volume" 256,256
is "$switch" on
amixer -c 0 sget Master | grep -q '\[100%\] \[0.00dB\] \[on\]' || fail "no dB scale at the top"

# What the guest changes is told to who listens.
monitor
amixer -q -c 0 sset Master 50% || fail "sset"
is "$volume" 128,128
amixer -c 0 sget Master | grep -q '\[50%\] \[-6.02dB\] \[on\]' || fail "no dB scale in the middle"
aplay -q -D hw:0,0 /tone.wav || fail "aplay at half volume"
amixer -q -c 0 sset Master 100%,100% unmute || fail "sset"

# The host's turn.
echo "linnet-controls: unplug"
becomes "$headphone" off
echo "linnet-controls: plug"
becomes "$headphone" on
echo "linnet-controls: mute"
becomes "$switch" off
echo "linnet-controls: unmute"
becomes "$switch" on
aplay -q -D hw:0,0 /tone.wav || fail "aplay at full volume"

events
for what in 'Master Playback Volume' 'Master Playback Switch' 'Headphone Jack'; do
    grep -q "$what.*VALUE" /tmp/events || fail "no event of $what"
done
ok

# SPDX-License-Identifier: BSD-3-Clause
# controls: looks at the card's mixer and jacks as amixer and alsactl show them, changes them, and
# lets the host change them: it says "linnet-controls: WHAT" when the host is to do that, and goes
# on when it was done. Plays /tone.wav in between, at half and at full volume.
load virtio_snd
[ -e /dev/snd/controlC0 ] || fail "no sound device"

# value NAME: what amixer says of an element.
value() {
    amixer -c 0 cget "$1" | sed -n 's/^  : values=//p' | cut -d, -f1-4
}

# is NAME VALUE
is() {
    got=$(value "$1")
    [ "$got" = "$2" ] || fail "$1 is $got, not $2"
}

# has NAME VALUE
has() {
    [ "$(value "$1")" = "$2" ]
}

# becomes NAME VALUE: by the host's hand.
becomes() {
    await has "$@"
}

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
alsactl monitor hw:0 >/tmp/events &
monitor=$!
await waits_in $monitor 7 73 232 281 22 # (e)poll, of either architecture: it has asked for events
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

kill $monitor
wait $monitor # it says all then
cat /tmp/events
for what in 'Master Playback Volume' 'Master Playback Switch' 'Headphone Jack'; do
    grep -q "$what.*VALUE" /tmp/events || fail "no event of $what"
done
ok

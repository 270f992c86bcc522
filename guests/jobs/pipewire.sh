# SPDX-License-Identifier: BSD-3-Clause
# pipewire SECONDS: Debian's PipeWire with its default settings as a user has it (udev, a session bus,
# WirePlumber). It plays /tone.wav again and again, without a seam and at full volume, for SECONDS,
# and records beside; then it plays 2 s of the recording. pw-top looks for xruns all the while, and the
# last lines tell of them.
export XDG_RUNTIME_DIR=/run/user/0 HOME=/root TERM=vt52 LINES=40 COLUMNS=160
mkdir -p $XDG_RUNTIME_DIR /root /run/systemd/seats /run/systemd/sessions /run/systemd/users \
    /run/systemd/machines # the last ones as systemd-logind has them
rate=48000 frame_bytes=4 # of /tone.wav

# wav FRAMES: the header of a WAV file as /tone.wav is, of another length.
wav() {
    head -c 4 /tone.wav
    le32 $((36 + $1 * frame_bytes))
    head -c 40 /tone.wav | tail -c +9
    le32 $(($1 * frame_bytes))
}

le32() {
    # shellcheck disable=SC2059 # the format is the number
    printf "$(printf '\\%o\\%o\\%o\\%o' $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) \
        $(($1 >> 24 & 255)))"
}

# tones: the sound of /tone.wav for ever.
tones() {
    tail -c +45 /tone.wav >/tmp/tone
    while cat /tmp/tone; do :; done
}

# wait_for COMMAND...: until it succeeds, for ten minutes.
wait_for() {
    for _ in $(seq 600); do
        "$@" >/dev/null 2>&1 && return
        sleep 1
    done
    wpctl status
    fail "waited in vain for: $*"
}

# card SINK: PipeWire has made a node of the card's playback or capture, and prefers it.
card() {
    wpctl inspect "@DEFAULT_AUDIO_$1@" | grep -q 'node.name = "alsa_'
}

# xruns: of pw-top's screens on stdin, for each node (its number and name), the last number in the
# column ERR, how much of that came after its first three seconds (a client may miss the first cycles
# while it is being linked), and its quantum. The terminal, a vt52, begins a screen with ESC H ESC J,
# and goes to a place by ESC Y and two bytes.
xruns() {
    tr '\033\r' '#\n' | sed 's/#Y../ /g; s/#[^Y]/ /g' | awk '
        $1 == "R" && $2 ~ /^[0-9]+$/ && $9 ~ /^[0-9]+$/ {
            node = $2 " " $NF
            if (++seen[node] <= 3) early[node] = $9
            last[node] = $9
            if ($3 + 0 > quantum[node] + 0) quantum[node] = $3
        }
        END {
            for (node in last)
                print "linnet-pw-top:", node, last[node], last[node] - early[node], quantum[node]
        }'
}

/usr/lib/systemd/systemd-udevd --daemon || fail "udev"
load virtio_snd
udevadm trigger
udevadm settle || fail "udevadm settle"
[ -e /dev/snd/controlC0 ] || fail "no sound device"
DBUS_SESSION_BUS_ADDRESS=$(dbus-daemon --session --fork --print-address) || fail "no session bus"
export DBUS_SESSION_BUS_ADDRESS
pipewire &
wait_for pw-dump 0
wireplumber &
wait_for card SINK
wait_for card SOURCE
wpctl set-volume @DEFAULT_AUDIO_SINK@ 1.0 || fail "set-volume"
wpctl set-volume @DEFAULT_AUDIO_SOURCE@ 1.0 || fail "set-volume"
wpctl status
wpctl inspect @DEFAULT_AUDIO_SINK@

frames=$(($1 * rate))
{ wav $frames && tones | head -c $((frames * frame_bytes)); } >/tmp/long.wav
mkfifo /tmp/keys
pw-top <>/tmp/keys >/tmp/top &
top=$!
pw-record /tmp/beside.wav &
recorder=$!
pw-play /tmp/long.wav || fail "pw-play status $?"
kill -INT $recorder
wait $recorder # it calls that a failure
timeout -s INT 2 pw-play /tmp/beside.wav
sleep 1
cat /proc/asound/card0/pcm*/sub0/hw_params
echo q >/tmp/keys
wait $top
ls -l /tmp/*.wav
xruns </tmp/top
ok

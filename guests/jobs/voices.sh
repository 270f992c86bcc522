# SPDX-License-Identifier: BSD-3-Clause
# voices FIRST SECONDS [PCM...]: plays on these PCMs (hw:0,0) at once, in 16 periods of 10 ms: the tone of
# /tone.wav, again and again for so long. Voice n begins at its frame 7 n, so that no two are alike
# within a wave (of 109 frames); FIRST is the number of the first. All begin when each has its PCM open
# and there is a line on the console; and after the last the job ends when there is another.
load virtio_snd
n=$1 seconds=$2
shift 2
[ $# -gt 0 ] || set -- hw:0,0
pcms=$#
tail -c +45 /tone.wav >/tmp/tone
mkfifo /tmp/gate
exec 3<>/tmp/gate

# voice N: its samples.
voice() {
    {
        tail -c "+$((1 + 4 * 7 * $1))" /tmp/tone
        while cat /tmp/tone; do :; done
    } 2>/dev/null | head -c "$((seconds * 192000))"
}

# are WORD: this many PCMs say it in their status. Without other programs: they would take time from
# the players, of this machine and of others.
are() {
    count=0
    for status in /proc/asound/card*/pcm*p/sub*/status; do
        read -r line <"$status"
        case $line in "$1"*) count=$((count + 1)) ;; esac
    done
    [ $count = $pcms ]
}


# say WORD: and wait for the answer.
say() {
    echo "linnet-voices: $1"
    read -r _ </dev/console
}

players=
for pcm; do
    voice "$n" >"/tmp/voice.$n"
    { read -r _ <&3 && cat "/tmp/voice.$n"; } |
        aplay -q -D "$pcm" -t raw -f S16_LE -r 48000 -c 2 --period-size=480 --buffer-size=7680 &
    players="$players $!"
    n=$((n + 1))
done
await are state:
say open
for pcm; do echo; done >&3
await are "state: RUNNING"
echo "linnet-voices: all play"
for player in $players; do
    wait "$player" || fail "aplay status $?"
done
say played
ok

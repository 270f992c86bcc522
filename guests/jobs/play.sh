# SPDX-License-Identifier: BSD-3-Clause
# play SPEC...: plays sounds one after the other; without SPEC, those in /data/playlist, one a line.
# SPEC is FILE[,FORMAT,RATE,CHANNELS[,PERIOD[,BUFFER[,PCM]]]], sizes in frames, FILE under /data (or
# a full path). Without FORMAT the file's own header tells; with it the file is raw samples.
load virtio_snd
[ -e /dev/snd/pcmC0D0p ] || fail "no sound device"

# play_spec FILE FORMAT RATE CHANNELS PERIOD BUFFER PCM
play_spec() {
    case $1 in
    /*) file=$1 ;;
    *) file=/data/$1 ;;
    esac
    aplay -q -D "${7:-hw:0,0}" ${2:+-t raw -f "$2"} ${3:+-r "$3"} ${4:+-c "$4"} \
        ${5:+--period-size="$5"} ${6:+--buffer-size="$6"} "$file"
}

# shellcheck disable=SC2046 # split at blanks
[ $# -gt 0 ] || set -- $(cat /data/playlist)
bad=
for spec; do
    IFS=,
    # shellcheck disable=SC2086 # split at commas
    set -- $spec
    unset IFS
    if play_spec "${1-}" "${2-}" "${3-}" "${4-}" "${5-}" "${6-}" "${7-}"; then
        echo "linnet-play: $spec ok"
    else
        echo "linnet-play: $spec failed: aplay status $?"
        bad="$bad $spec"
    fi
done
[ -z "$bad" ] || fail "not played:$bad"
ok

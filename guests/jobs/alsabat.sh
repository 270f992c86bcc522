# SPDX-License-Identifier: BSD-3-Clause
# alsabat FORMAT,RATE,CHANNELS...: plays a tone on the first card, whose two ends are joined, and
# looks for it in what it records there, so with each of these.
load virtio_snd
[ -e /dev/snd/pcmC0D0c ] || fail "no capture device"
for spec; do
    IFS=,
    # shellcheck disable=SC2086 # split at commas
    set -- $spec
    unset IFS
    alsabat -D hw:0,0 -f "$1" -r "$2" -c "$3" || fail "$spec: status $?"
    echo "linnet-alsabat: $spec ok"
done
ok

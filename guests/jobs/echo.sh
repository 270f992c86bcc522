# SPDX-License-Identifier: BSD-3-Clause
# Records a second from the first sound card, and plays it there.
load virtio_snd
sound="-q -D hw:0,0 -t raw -f S16_LE -r 48000 -c 2"
# shellcheck disable=SC2086 # words they are
arecord $sound -s 48000 /tmp/got || fail "arecord status $?"
# shellcheck disable=SC2086
aplay $sound /tmp/got || fail "aplay status $?"
ok

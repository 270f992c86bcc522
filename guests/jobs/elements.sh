# SPDX-License-Identifier: BSD-3-Clause
# For other jobs to source: the elements of the card's mixer, as amixer and alsactl show them.

# value NAME: of the first four channels.
value() {
    amixer -c 0 cget "$1" | sed -n 's/^  : values=//p' | cut -d, -f1-4
}

# has NAME VALUE
has() {
    [ "$(value "$1")" = "$2" ]
}

# is NAME VALUE
is() {
    has "$@" || fail "$1 is $(value "$1"), not $2"
}

# becomes NAME VALUE: by the host's hand.
becomes() {
    await has "$@"
}

# monitor: notes all events in /tmp/events from here on; events shows what came.
monitor() {
    alsactl monitor hw:0 >/tmp/events &
    monitor=$!
    await waits_in $monitor 7 73 232 281 22 # (e)poll, of either architecture: it has asked for events
}

events() {
    kill $monitor
    wait $monitor # it says all then
    cat /tmp/events
}

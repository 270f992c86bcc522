#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Draws a second of sound out of a trace, and a part of it larger, around the end of a period:
#
#   linnet run --trace trace.json --snd host=null ... && tests/pictures/trace.sh trace.json >trace.svg
#
# The second is around the middle of what is played, from the first ended period to the last.
set -eu
[ $# = 1 ] || { echo "usage: trace.sh TRACE.json" >&2 && exit 1; }

# An event is a line.
awk '
function value(key,  at, rest) {
    at = index($0, "\"" key "\": ")
    if (at == 0)
        return ""
    rest = substr($0, at + length(key) + 4)
    if (substr(rest, 1, 1) != "\"")
        return rest + 0
    rest = substr(rest, 2)
    return substr(rest, 1, index(rest, "\"") - 1)
}

# The row of an event by its name; 0: it is not drawn.
function row_of(name) {
    if (name ~ /^exit/)
        return 1
    sub(/.* /, "", name)
    return name in event_row ? event_row[name] : 0
}

# mark FROM US TOP: all that is in this time, a path a row.
function mark(from, us, top,  i, x, width, y, path) {
    for (i = 0; i < count; i++) {
        x = left + (ts[i] - from) * span / us
        width = dur[i] * span / us
        width = width < 1 ? 1 : width
        if (x < left || x + width > left + span)
            continue
        y = top + row[i] * 18 - 6
        path[row[i]] = path[row[i]] sprintf("M%.1f %dh%.1f", x, y, width)
    }
    for (i = 1; i <= 6; i++) {
        printf "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n", left - 10, top + i * 18 - 2, label[i]
        printf "<path d=\"M%d %dh%d\" stroke=\"#eeeeee\" stroke-width=\"12\"/>\n", left, top + i * 18 - 6, span
        printf "<path d=\"%s\" stroke=\"%s\" stroke-width=\"12\"/>\n", path[i], colour[i]
    }
}

function scale(top, us, step, unit, name,  at) {
    for (at = 0; at <= us; at += step)
        printf "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\" fill=\"#666\">%g %s</text>\n", left + at * span / us, top, at / unit, name
}

BEGIN {
    count = 0
    left = 200
    span = 740
    detail = 150 # µs
    split("#2f6690 #000000 #e6aa04 #d1495b #7fb069 #3b7a2b", colour, " ")
    split("vCPU: exit to linnet|sound: end of a period|sound: message given back|sound: interrupt|sound: kick, until it is served|sound: message taken", label, "|")
    event_row["period"] = 2
    event_row["push"] = 3
    event_row["interrupt"] = 4
    event_row["kick"] = 5
    event_row["pop"] = 6
}

value("ts") != "" {
    name = value("name")
    this = row_of(name)
    if (this == 0 || (this > 1 && name !~ /^snd0/))
        next
    row[count] = this
    ts[count] = value("ts")
    dur[count++] = value("dur") + 0
    if (this != 2)
        next
    period[periods++] = ts[count - 1]
}

END {
    if (period[periods - 1] - period[0] < 1100000) {
        print "trace.sh: less than 1.1 s of sound in it" >"/dev/stderr"
        exit 1
    }
    middle = period[int(periods / 2)]
    print "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 980 318\" font-family=\"sans-serif\" font-size=\"12\">"
    print "<rect width=\"980\" height=\"318\" fill=\"#ffffff\"/>"
    scale(20, 1000000, 100000, 1000, "ms")
    mark(middle - 500000, 1000000, 24)
    printf "<path d=\"M%d 140L%d 164H%dz\" fill=\"#dddddd\"/>\n", left + span / 2, left + span, left
    scale(180, detail, detail / 10, 1, "µs")
    mark(middle - detail / 5, detail, 184)
    print "</svg>"
}' "$1"

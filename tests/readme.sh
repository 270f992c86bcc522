#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Puts what `linnet run --help=markdown` writes into the README, between its two marks; with --check
# it changes nothing and says whether it would.
set -eu
cd "$(dirname "$0")/.."

new=$(mktemp)
trap 'rm -f "$new"' EXIT
linnet=build/$(uname -m | sed s/aarch64/arm64/)-release/linnet

options=$("$linnet" run --help=markdown) awk '
    /^<!-- end of options -->$/ { skipping = 0 }
    !skipping                   { print }
    /^<!-- options: /           { print ""; print ENVIRON["options"]; print ""; skipping = 1 }' README.md >"$new"
if [ "${1:-}" = --check ]; then
    cmp -s "$new" README.md || { echo "README.md: options are not those of --help=markdown; run tests/readme.sh" && exit 1; }
else
    cat "$new" >README.md
fi

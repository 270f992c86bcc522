# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Memory that goes back to the host, and comes again.

# ram: MiB that guest RAM takes of this host.
ram() {
    local file
    for file in /proc/"$vm"/fd/*; do
        case $(readlink "$file") in
        /memfd:*) stat -L -c '%b %s' "$file" ;;
        esac
    done | sort -n -k 2 | awk 'END { print int($1 / 2048) }'
}

# asked WHAT: the guest waits for it, or has ended.
asked() {
    grep -qE "^linnet-job: " console || [ "$(grep -c '^linnet-balloon: ' console)" -ge "$1" ]
}

# turn N WHAT: that is the N-th thing that it asks for.
turn() {
    wait_for "$boot_seconds_max" asked "$1"
    [ "$(sed -n 's/^linnet-balloon: \([a-z]*\).*/\1/p' console | sed -n "$1p")" = "$2" ] ||
        { cat console errors && fail "the guest ended before \"$2\""; }
}

# ram_below MIB
ram_below() {
    [ "$(ram)" -lt "$1" ]
}

# The guest goes on filling it after most of its memory is gone; and it has told of its memory.
balloon_full() {
    "$linnet" control socket balloon0 stats >told
    grep -q '^actual 104857600' told && grep -q '^total [1-9]' told
}

balloon() {
    local vm status=0 full freed inflated look_seconds=0.5
    warm "$made/$stock.boot" "$guests/$stock/vmlinuz"
    mkfifo keys
    "$linnet" run --mem 256M --control socket --balloon --initrd "$made/$stock.boot" --append "$(job balloon 100)" \
        "$guests/$stock/vmlinuz" <>keys >console 2>errors &
    vm=$!
    exec 3<>keys
    turn 1 full
    full=$(ram)
    echo >&3
    turn 2 freed
    [ "$full" -gt 100 ] || fail "only $full MiB were ever taken"
    wait_for "$boot_seconds_max" ram_below $((full - 80))
    freed=$(ram)
    echo >&3
    turn 3 inflate
    "$linnet" control socket balloon0 size 100M
    echo >&3
    turn 4 stats
    wait_for "$boot_seconds_max" balloon_full
    inflated=$(ram)
    cat told
    echo >&3
    turn 5 deflate
    "$linnet" control socket balloon0 size 0
    echo >&3
    turn 6 inflate
    "$linnet" control socket balloon0 size 100M
    echo >&3
    wait "$vm" || status=$?
    exec 3>&-
    cat console errors
    echo "ram: full $full, freed $freed, inflated $inflated MiB"
    [ "$status" = 0 ] || fail "exit status $status"
    done_job balloon
    [ ! -s errors ] || fail "linnet had something to say"
    [ "$inflated" -le $((freed + 10)) ] || fail "the balloon took $((inflated - freed)) MiB"
}

boot_case counting balloon balloon

# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Ports of a console (virtio-console).

console_says() {
    grep -qE "^linnet-console: $1|^linnet-job: .* failed" console
}

# A reader that takes a bite now and then.
read_slowly() {
    socat -u UNIX-CONNECT:slow,readbytes=1048576 - | while dd bs=64k count=1 iflag=fullblock status=none of=bite && [ -s bite ]; do
        cat bite
        sleep 0.2
    done >slowly
}

# hash_is NAME FILE: as the guest has told it.
hash_is() {
    grep -q "^linnet-console: $1 $(sha256sum <"$2" | cut -d ' ' -f 1)" console || fail "$1: $2 differs"
}

# console_case KERNEL
# proves: CON-09
console_case() {
    local vm slow status=0 turn
    warm "$made/$1.boot" "$guests/$1/vmlinuz"
    head -c 1048576 /dev/urandom >down
    mkfifo keys
    exec 3<>keys
    "$linnet" run --console name=both,to=socket:both --console name=slow,to=socket:slow \
        --console name=head,to=socket:head --console name=none,to=socket:none \
        --console name=file,to=file:file --initrd "$made/$1.boot" --append "$(job ports)" \
        "$guests/$1/vmlinuz" <keys >console 2>errors &
    vm=$!
    trap 'kill -KILL "$vm" || true; cat console errors' EXIT # if something fails
    wait_for "$boot_seconds_max" console_says bytes
    read_slowly &
    slow=$!
    for turn in 1 2; do
        [ "$(socat -u UNIX-CONNECT:head - 2>/dev/null | head -n 2 | tail -n 1)" = line ] ||
            fail "head, turn $turn"
    done
    socat -t "$boot_seconds_max" - UNIX-CONNECT:both <down >up # ends when the guest closes the port
    wait "$slow"
    echo >&3
    trap - EXIT
    wait "$vm" || status=$?
    exec 3>&-
    cat console errors
    [ "$status" = 0 ] || fail "exit status $status"
    done_job ports
    [ ! -s errors ] || fail "linnet had something to say"
    hash_is got down
    tail -c +2 up >rest
    hash_is bytes rest
    hash_is bytes slowly
    hash_is bytes file
}

console_stock() { console_case "$stock"; }
console_6_1() { console_case 6.1-cloud-amd64; }

boot_case counting console-6.12 console_stock
soak_case counting console-6.1 console_6_1 x86_64

# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Input devices (virtio-input), and an image that is memory (virtio-pmem).

input_prepare() {
    local cc=gcc
    "$top/guests/mkinitramfs.sh" "$stock" "$made/$stock.input" input
    [ "$arch" = "$host" ] || cc=aarch64-linux-gnu-gcc
    "$cc" -O2 -Wall -Wextra -Werror -o "$made/uinput" "$top/tests/boot/uinput.c"
    mkdir -p "$made/image"
    head -c 3000000 /dev/urandom >"$made/image/large"
    echo "text" >"$made/image/text"
    (cd "$made/image" && sha256sum large text >sums)
    rm -f "$made/image.ext4"
    PATH=$PATH:/sbin mke2fs -q -t ext4 -b 4096 -O ^has_journal -d "$made/image" "$made/image.ext4" 6148K
}

input_says() {
    grep -qE "^linnet-input: $1|^linnet-job: .* failed" console
}

# input_event TYPE CODE VALUE...: events as clients of a socket send them.
input_event() {
    while [ $# -gt 0 ]; do
        printf '%b' "$(printf '\\x%02x\\x%02x\\x%02x\\x%02x\\x%02x\\x%02x\\0\\0' \
            $(($1 & 255)) $(($1 >> 8)) $(($2 & 255)) $(($2 >> 8)) $(($3 & 255)) $(($3 >> 8)))"
        shift 3
    done
}

# input_start OPTION...
input_start() {
    warm "$made/$stock.input" "$guests/$stock/vmlinuz"
    mkfifo keys
    exec 3<>keys
    "$linnet" run --control vm "$@" --initrd "$made/$stock.input" "$guests/$stock/vmlinuz" \
        <keys >console 2>errors &
    vm=$!
    trap 'kill -KILL "$vm" || true; cat console errors' EXIT # if something fails
}

# input_end STATUS
input_end() {
    local status=0
    trap - EXIT
    wait "$vm" || status=$?
    exec 3>&-
    cat console errors
    [ "$status" = "$1" ] || fail "exit status $status, not $1"
}

# input_got NAME TYPE CODE VALUE...: that is what the guest got, and no more.
input_got() {
    diff <(printf '%s %s %s\n' "${@:2}") <(tr -d '\r' <console | sed -n "s/^linnet-input: $1 //p") ||
        fail "$1: not what was sent"
}

# The image is read where it is: nothing of it is linnet's own.
image_is_shared() {
    local kib
    kib=$(awk '/image\.ext4/ { ours = 1 } ours && /^(Rss|Anonymous):/ { print $2 } /^VmFlags/ { ours = 0 }' \
        "/proc/$vm/smaps" | tr '\n' ' ')
    echo "KiB of the image that the guest has read, of them not of the file: $kib"
    [ "${kib%% *}" -ge 2900 ] || fail "the guest has read $kib KiB"
    [ "${kib#* }" = "0 " ] || fail "pages are linnet's own: $kib"
}

input_pmem() {
    local vm reader
    cp "$made/image.ext4" image.ext4
    input_start --input keyboard,socket=keyboard --input touch,socket=touch --pmem image.ext4 \
        --append "$(job input)"
    wait_for "$boot_seconds_max" input_says ready
    socat -d -d -u UNIX-CONNECT:keyboard CREATE:lamps 2>connected &
    reader=$!
    wait_for "$boot_seconds_max" grep -q 'successfully connected' connected
    "$linnet" control vm input0 press leftmeta+l
    input_event 1 30 1 0 0 0 | socat -u - UNIX-CONNECT:keyboard # and leaves: the key is let go
    input_event 3 57 5 3 53 540 3 54 700 1 330 1 0 0 0 | socat -u - UNIX-CONNECT:touch
    wait_for "$boot_seconds_max" input_says cut
    image_is_shared
    cmp image.ext4 "$made/image.ext4" || fail "the image was changed"
    truncate -s 4096 image.ext4
    echo >&3
    input_end 1
    wait "$reader" || true # the socket has ended
    done_job input
    input_got key 1 125 1 0 0 0 1 38 1 0 0 0 1 38 0 0 0 0 1 125 0 0 0 0 1 30 1 0 0 0 1 30 0 0 0 0
    input_got touch 3 57 5 3 53 540 3 54 700 1 330 1 0 0 0 3 57 -1 1 330 0 0 0 0
    cmp lamps <(input_event 17 1 1) || fail "the lamp: $(od -A n -t x1 lamps)"
    grep -q '^device: linnet touch screen, .*, lamps 0, axes 260800000000003' console || fail "axes"
    grep -q '^pmem: 16384 sectors' console || fail "size"
    [ "$(wc -l <errors)" = 1 ] || fail "not one line"
    grep -q "this host can't give what the guest has as memory" errors || fail "another line"
}

# A keyboard of this host's, for the guest alone.
input_evdev() {
    local vm node
    [ -w /dev/uinput ] || skip "no /dev/uinput to make a keyboard by"
    mkfifo hand
    "$made/uinput" <hand >told &
    exec 4<>hand
    wait_for "$boot_seconds_max" test -s told
    node=/dev/input/$(head -n 1 told)
    wait_for "$boot_seconds_max" test -c "$node"
    input_start --input "evdev:$node" --append "$(job input "A,keyboard")"
    wait_for "$boot_seconds_max" input_says ready
    printf '%s\n' 30 57 >&4
    wait_for "$boot_seconds_max" grep -q '^lamp 1 1' told
    echo >&3
    input_end 0
    exec 4>&-
    done_job input
    input_got key 1 30 1 0 0 0 1 30 0 0 0 0 1 57 1 0 0 0 1 57 0 0 0 0
    grep -q '^device: A,keyboard, bus 0003, lamps 2, axes 0' console || fail "what it is"
    [ ! -s errors ] || fail "linnet had something to say"
}

boot_case counting input-pmem input_pmem
boot_case counting input-evdev input_evdev

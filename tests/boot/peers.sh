# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Devices that programs made of rust-vmm's crates serve: vhost-device-vsock and the virtiofsd that is in Rust, of a
# newer Debian than this one (guests/peer.sh), and a sound device of ours (tests/rust_vmm/back.rs).

# Without them, others' cases can run.
peers_prepare() {
    local name
    for name in vhost-device-vsock virtiofsd; do "$top/guests/peer.sh" "$name" || true; done
    "$top/tests/rust_vmm/build.sh" || true
}

# peer NAME OPTION...: starts it.
peer() {
    local run=$guests/$1/run
    [ -x "$run" ] || skip "no $1 to be had: guests/peer.sh says why"
    find "$guests/$1" -type f \( -name '*.so*' -o -name "$1" \) -exec cat {} + >/dev/null # see warm()
    echo "$1: $(grep "^$1"_ "$guests/$1/packages")"
    "$run" "${@:2}" >>said 2>&1 &
    servers+=($!)
}

peers_say() {
    grep -qE "^linnet-$1|^linnet-job: [a-z]* failed" console
}

# peers_died: it was told in a line, and the machine did all that it had to.
peers_died() { # JOB DEVICE
    trap - EXIT
    ends_well "$vm" "$1"
    kill -KILL "${servers[@]}" || true
    [ "$(wc -l <errors)" = 1 ] || fail "not one line about the one that died"
    grep -q "$2: needs a reset: back-end" errors || fail "who has died?"
}

# peers_to NUMBER: sends "down" to port 5000 and gets it back. It may not send before it is answered, nor be done
# before all came back.
peers_to() {
    local answer=answer.$1 hold=hold.$1
    mkfifo "$hold"
    : >"$answer"
    { echo "CONNECT 5000" && wait_for "$boot_seconds_max" grep -q '^OK' "$answer" && cat down "$hold"; } |
        socat -t 600 - UNIX-CONNECT:v | tee "$answer" |
        { head -c $((8 + $(stat -c %s down))) >/dev/null && : >"$hold"; }
    tail -c +9 "$answer" | cmp - down # behind "OK 5000"
}

# The machine is not paused meanwhile: version 0.3 of this device hangs for good if its queues are stopped when there
# is something to do, with QEMU in the place of linnet, too.
peers_talk() {
    local i pids=()
    for i in 1 2 3; do
        peers_to "$i" &
        pids+=($!)
    done
    for i in "${pids[@]}"; do wait "$i" || fail "a stream of ours"; done
}

peers_vsock() {
    local servers=() vm='' bytes=262144 # what serves it is busy as long as a connection is idle
    trap 'kill -KILL "${servers[@]}" $vm || true; cat console errors said' EXIT # if something fails
    head -c "$bytes" /dev/urandom >down
    socat UNIX-LISTEN:v_1003,fork PIPE &
    servers+=($!)
    socat -u FILE:down UNIX-LISTEN:v_1001,fork &
    servers+=($!)
    peer vhost-device-vsock --vm guest-cid=42,socket=vsock.sock,uds-path=v
    for name in v_1003 v_1001 vsock.sock; do wait_for "$boot_seconds_max" test -S "$name"; done
    mkfifo keys
    exec 3<>keys
    warm "$made/$stock.vsock" "$guests/$stock/vmlinuz"
    "$linnet" run "$@" --cpus 2 --rng --initrd "$made/$stock.vsock" \
        --append "$(job peers "$bytes")" --vhost-user kind=vsock,socket=vsock.sock,timeout=300s \
        "$guests/$stock/vmlinuz" <keys >console 2>errors &
    vm=$!
    wait_for "$boot_seconds_max" peers_say "peers: listening"
    grep -q "^linnet-peers: down $(sha256sum <down | cut -d ' ' -f 1)" console || fail "down differs"
    peers_talk
    echo >&3
    wait_for "$boot_seconds_max" peers_say "peers: busy"
    [ ! -s errors ] || fail "linnet had something to say"
    kill -KILL "${servers[2]}"
    wait_for "$boot_seconds_max" test -s errors
    echo >&3
    peers_died peers vhost-user0
}

# The root of this host lies below two overlays of the guest, as in share_root(). One tells its tag.
peers_share() {
    local servers=() vm='' name
    trap 'kill -KILL "${servers[@]}" $vm || true; cat console errors said' EXIT # if something fails
    mkdir rw
    # Overlayfs does not take a lower one that has other mounts in it.
    peer virtiofsd --socket-path root.sock --shared-dir / --tag root --sandbox none --no-announce-submounts
    peer virtiofsd --socket-path rw.sock --shared-dir "$PWD/rw" --sandbox none
    for name in root rw; do wait_for "$boot_seconds_max" test -S "$name.sock"; done
    warm "$made/$stock.share" "$guests/$stock/vmlinuz"
    "$linnet" run --mem 1G --initrd "$made/$stock.share" --append "$(job shares peers)" \
        --vhost-user kind=share,socket=root.sock,timeout=300s \
        --vhost-user kind=share,socket=rw.sock,tag=rw,timeout=300s \
        "$guests/$stock/vmlinuz" </dev/null >console 2>errors &
    vm=$!
    wait_for 3600 peers_say "share: busy"
    [ ! -s errors ] || fail "linnet had something to say"
    kill -KILL "${servers[0]}"
    wait_for "$boot_seconds_max" test -s errors
    : >rw/killed
    peers_died shares vhost-user0
    [ "$(cat rw/after)" = yes ] || fail "nothing was written after that"
    [ -s rw/verify.0.0 ] || fail "fio wrote nothing"
}

# With the features of vhost-device-sound.
peers_snd() {
    local back=$top/build/rust_vmm/debug/back pid
    [ -x "$back" ] || skip "it could not be built: tests/rust_vmm/build.sh says why"
    "$back" snd.sock heard.raw &
    pid=$!
    boot 0 --initrd "$made/$stock.talk" --append "$(job outboard snd)" \
        --vhost-user kind=snd,socket=snd.sock,timeout=300s "$guests/$stock/vmlinuz"
    done_job outboard
    wait "$pid" || fail "its status $?"
    sox "$guests/tone.wav" -t raw tone.raw
    cmp tone.raw heard.raw
}

peers_vsock_pci() { peers_vsock --transport pci; }

soak_case smp peers-snd peers_snd x86_64
soak_case smp peers-vsock peers_vsock x86_64
soak_case smp peers-vsock-pci peers_vsock_pci x86_64
soak_case smp peers-share peers_share x86_64

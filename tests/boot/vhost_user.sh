# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Devices that other processes serve (vhost-user): QEMU's storage daemon, virtiofsd, and our own.

virtiofsd=/usr/lib/qemu/virtiofsd

vhost_user_prepare() {
    "$top/guests/mkinitramfs.sh" "$stock" "$made/$stock.talk" talk
    qemu-img create -q -f qcow2 "$made/empty.qcow2" 16M
}

# storage FORMAT FILE SOCKET: serves that disk, until it is killed.
storage() {
    qemu-storage-daemon --blockdev "driver=file,filename=$2,node-name=file" \
        --blockdev "driver=$1,file=file,node-name=disk" \
        --export "type=vhost-user-blk,id=disk,addr.type=unix,addr.path=$3,node-name=disk,writable=on" &
    backends+=($!)
}

backends_start() {
    truncate -s 16M own.img raw.img
    cp "$made/empty.qcow2" qcow2.img
    mkdir share && echo "of the host" >share/text
    storage raw raw.img raw.sock
    storage qcow2 qcow2.img qcow2.sock
    "$virtiofsd" --socket-path=share.sock -o "source=$PWD/share" >said 2>&1 &
    backends+=($!)
    "$linnet" device snd --socket-path snd.sock host=file,path=tone.wav 2>>said &
    backends+=($!)
    for name in raw qcow2 share snd; do wait_for "$boot_seconds_max" test -S "$name.sock"; done
}

backends_say() {
    grep -qE "^linnet-backends: $1|^linnet-job: backends failed" console
}

# same_sum FILE: it begins with what the guest has written.
same_sum() {
    [ "$(head -c 1048576 "$1" | md5sum)" = "$(cat share/sum)" ] || fail "$1 differs"
}

# waits THREAD: how often that thread of the machine has gone to sleep.
waits() {
    sed -n 's/^voluntary_ctxt_switches:[[:space:]]*//p' "$(dirname "$(grep -lx "$1" "/proc/$vm/task/"*/comm)")/status"
}

# On PCI KVM hears what back-ends call for: while they are busy nobody here wakes up for it.
backends_unwoken() {
    local name before
    for name in disk0 vhost-user0 vhost-user1; do
        before=$(waits "$name")
        sleep 1
        [ "$(($(waits "$name") - before))" -lt 10 ] || fail "$name wakes up"
    done
}

# Written and read, stopped in the middle, a driver that comes again; and one that dies in use.
backends_run() {
    local backends=() vm='' status=0 name
    trap 'kill -KILL "${backends[@]}" $vm || true; cat console errors said' EXIT # if something fails
    warm "$made/$stock.talk" "$guests/$stock/vmlinuz"
    warm_programs qemu-storage-daemon "$virtiofsd"
    mkfifo keys
    exec 3<>keys
    backends_start
    "$linnet" run "$@" --cpus 2 --control vm --initrd "$made/$stock.talk" --append "$(job backends)" \
        --disk own.img,isolate --vhost-user kind=disk,socket=raw.sock,timeout=300s \
        --vhost-user kind=disk,socket=qcow2.sock,timeout=300s \
        --vhost-user kind=share,socket=share.sock,tag=tag,timeout=300s \
        --vhost-user kind=snd,socket=snd.sock,timeout=300s "$guests/$stock/vmlinuz" <keys >console 2>errors &
    vm=$!
    wait_for "$boot_seconds_max" backends_say busy
    [ "$*" != "--transport pci" ] || backends_unwoken
    for _ in 1 2 3; do
        "$linnet" control vm pause
        sleep 0.3
        "$linnet" control vm resume
        sleep 0.3
    done
    echo >&3
    wait_for "$boot_seconds_max" backends_say written
    [ ! -s errors ] || fail "linnet had something to say"
    kill -KILL "${backends[0]}"
    echo yes >share/new && mv share/new share/killed
    wait "$vm" || status=$?
    vm=
    cat console errors
    [ "$status" = 0 ] || fail "exit status $status"
    done_job backends
    [ "$(wc -l <errors)" = 1 ] || fail "not one line about the one that died"
    grep -q 'vhost-user0: needs a reset: back-end' errors || fail "who has died?"
    same_sum own.img
    same_sum raw.img
    same_sum share/written
    kill "${backends[1]}" # it has a lock on the image
    wait "${backends[1]}" || true
    qemu-img convert -O raw qcow2.img out.img
    same_sum out.img
    wait_for "$boot_seconds_max" "$linnet" listen --same-as "$guests/tone.wav" tone.wav
    trap - EXIT
    kill -KILL "${backends[3]}"
}

backends_mmio() { backends_run; }
backends_pci() { backends_run --transport pci; }

boot_case smp backends backends_mmio
soak_case smp backends-pci backends_pci

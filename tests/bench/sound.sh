# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# For tests/bench/run.sh to source: what sound costs.

# play SND: a guest that plays silence for ever, in periods of 10 ms.
play() {
    rm -f sound.wav
    background --initrd "$made/sound.cpio" --snd "$1" \
        --append "quiet linnet.job=play linnet.arg=/dev/zero,S16_LE,48000,2,480,1920"
    wait_for 60 played 1
}

# played SECONDS: has the recording so much?
played() {
    [ -e sound.wav ] && [ "$(stat -c %s sound.wav)" -ge $(($1 * 192000)) ]
}

# kvm_stat NAME: of the VM of $pid.
kvm_stat() {
    cat /sys/kernel/debug/kvm/"$pid"-*/"$1"
}

sound_rows() {
    local -A before after
    local stat
    play host=file,path=sound.wav
    for stat in exits mmio_exits; do before[$stat]=$(kvm_stat "$stat"); done
    before[vcpu]=$(threads_ns "$pid" 'vcpu*') before[rest]=$(threads_ns "$pid" '!(vcpu*)')
    sleep 10
    for stat in exits mmio_exits; do after[$stat]=$(kvm_stat "$stat"); done
    after[vcpu]=$(threads_ns "$pid" 'vcpu*') after[rest]=$(threads_ns "$pid" '!(vcpu*)')
    end_background
    echo "sound.vm_exits $(((after[exits] - before[exits]) / 10)) 1/s"
    echo "sound.mmio_exits $(((after[mmio_exits] - before[mmio_exits]) / 10)) 1/s"
    echo "sound.vcpu_and_guest $(((after[vcpu] - before[vcpu]) / 10000)) kinstr/s"
    echo "sound.other_threads $(((after[rest] - before[rest]) / 10000)) kinstr/s"
}

# How much faster than real time a guest can feed the free-running clock.
free_row() {
    local before
    play host=file,path=sound.wav,clock=free
    before=$(stat -c %s sound.wav)
    sleep 2
    echo "sound.free_running $((($(stat -c %s sound.wav) - before) / 2 / 192000)) x"
    end_background
}

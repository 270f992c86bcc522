#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# A guest that means harm (guests/hostile) against linnet under ASan and UBSan, or with VARIANT=tsan
# under ThreadSanitizer: two CPUs attack its devices by dice, while somebody outside pauses it, pulls
# plugs and wants reports. Any KVM will do. linnet must live through it, with devices that still work,
# say little, and leave neither memory nor files behind.
#
#   tests/hostile/run.sh [SEED...]        1 to 6; ROUNDS=N: so many attacks by each CPU
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
variant=${VARIANT:-asan}
linnet=$top/build/$arch-$variant/linnet
guest=$top/build/guests/hostile.elf
rounds=${ROUNDS:-300}

seconds_max=1800
chains_min=100         # that came back: else the attacks do not get to where they hurt
lines_max=20           # of each device on standard error, and 2 more each second; reports not counted
private_kib_max=100000 # of the process, guest RAM not counted
[ "$variant" = asan ] || private_kib_max=400000 # which remembers who read what
files_mib_max=64       # recordings

# The card of --snd host=alsa is none: ALSA's own nothing, by a way that has buffers. No balloon, to
# which it might hand over its own pages. What ends in % can be a process of its own.
devices=(--rng
    --snd 'host=null,source=tone,streams=4,capture=2,controls=on,jacks=headphone+mic%'
    --snd 'host=loopback,streams=2,capture=2,report=report%'
    --snd 'host=file,path=recording.wav,clock=free,streams=2,channels=1-8%'
    --snd "host=alsa,source=alsa,device=hostile,fault='xrun@1s,stall=30ms@500ms,drop=7,latency=50ms'%"
    --disk image% --disk 'base,overlay' --share "$top/virtio,tag=tree%" --pmem memory --net 'socket,path=lan'
    --vsock vsock --input keyboard% --console 'name=port,to=ring')

make_card() {
    cat >asound.conf <<'CONFIG'
</usr/share/alsa/alsa.conf>
pcm.hostile { type file  slave.pcm null  file /dev/null }
CONFIG
    export ALSA_CONFIG_PATH=$PWD/asound.conf
}

# private_kib PID
private_kib() {
    sed -n 's/^RssAnon:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$1/status"
}

# Meanwhile, from outside: one thing after the other; it is as well if the machine has just ended.
disturbances=('snd0 jack 0 unplug' pause resume 'snd0 jack 0 plug' status 'snd0 ctl' pause resume)
disturb() {
    local words
    read -ra words <<<"${disturbances[$1 % ${#disturbances[@]}]}"
    timeout 300 "$linnet" control control "${words[@]}" >>answers 2>&1 || return 0
    kill -USR1 "$2" 2>/dev/null || true # not before it listens to signals
}

# watch PID: until it ends; the most memory it was seen to have is left in $most.
watch() {
    local now turn=0
    most=0
    while now=$(private_kib "$1" 2>/dev/null) && [ -n "$now" ]; do
        if [ "$now" -gt "$most" ]; then most=$now; fi
        [ "$SECONDS" -lt "$seconds_max" ] || kill -KILL "$1"
        disturb $((turn++)) "$1"
        sleep 0.1
    done
}

# no_more_than LIMIT NUMBER WHAT
no_more_than() {
    echo "$2 $3"
    [ "$2" -le "$1" ] || fail "$2 $3, more than $1"
}

# attack SEED
attack() {
    local status=0 chains work told=() words=("${devices[@]%\%}")
    work=$(mktemp -d)
    cd "$work"
    mkdir tmp
    make_card
    (($1 % 3 != 0)) || words=("${devices[@]/%\%/,isolate}")
    truncate -s 1M image base memory
    (($1 % 4 < 2)) || told+=(--transport pci)
    (($1 % 2 == 0)) || told+=(--transcript said --trace trace) # every other guest's doings are told
    SECONDS=0
    TMPDIR=$work/tmp ASAN_OPTIONS=quarantine_size_mb=16 \
        TSAN_OPTIONS=suppressions=$top/tests/hostile/tsan.supp \
        "$linnet" run --kvm any --mem 64M --cpus 2 \
        --control control "${words[@]}" "${told[@]}" --append "seed=$1 rounds=$rounds" "$guest" >console 2>errors &
    watch $!
    wait $! || status=$?
    tail -n 200 errors
    [ "$status" = 0 ] || fail "exit status $status: $(tail -n 1 console | tr -cd '[:print:]')"
    chains=$(sed -n 's/^hostile: \([0-9]*\) chains came back$/\1/p' console)
    echo "$chains chains; answers from outside:"
    sort answers | uniq -c
    [ "${chains:-0}" -ge "$chains_min" ] || fail "only ${chains:-0} chains came back"
    no_more_than $(($(printf '%s\n' "${devices[@]}" | grep -c ^--) * (lines_max + 2 * SECONDS))) "$(grep -vc '^linnet: info: snd' errors)" "lines on standard error"
    no_more_than "$private_kib_max" "$most" "KiB of memory"
    [ -z "$(ls -A tmp)" ] || fail "left in the temporary directory: $(ls -A tmp)"
    no_more_than "$files_mib_max" "$(du -sm . | cut -f 1)" "MiB of files"
    cd /
    rm -rf "$work"
}

[ $# -gt 0 ] || set -- {1..6}
if [ "$arch" != x86_64 ]; then
    skipped hostile "the guest is for x86_64"
elif [ ! -w /dev/kvm ]; then
    skipped hostile "no /dev/kvm to write to"
else
    for seed; do
        run_case "hostile${VARIANT:+-$VARIANT}/$seed" attack "$seed"
    done
fi
finish

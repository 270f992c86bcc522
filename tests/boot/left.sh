# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# What is left of a machine that had a bit of everything, whichever way it ended: for `make soak`.

# left_programs: what it started and what still runs, as folders in /proc.
left_programs() {
    grep -alz '^LEFT_BY=linnet$' /proc/[0-9]*/environ 2>/dev/null | sed 's/environ$//' || true # none
}

# left_tell: what is wrong.
left_tell() {
    local process
    cat difference machine/console errors
    left_programs | while read -r process; do
        cat "${process}status" "${process}wchan" && ls -l "${process}fd"
    done
}

# left_now: programs that it started, whatever they call themselves; files where it was, and for a
# while; terminals; sockets and interfaces of this network, which is the machine's alone.
left_now() {
    left_programs | while read -r process; do tr '\0' ' ' <"${process}cmdline"; done
    find machine tmp kept -mindepth 1
    printf '%s\n' /tmp/passt* # which does not heed $TMPDIR
    find /dev/pts
    sed 's/.*\(00000000 .*\)/\1/' /proc/net/unix
    cat /proc/net/{tcp,tcp6,udp,udp6}
    ip -o link | sed 's/ state .*//'
}

# left_is FILE...: as before, but for those.
left_is() {
    left_now | sort >now
    { cat before && printf 'machine/%s\n' "$@"; } | sort | sed '/^machine\/$/d' | diff - now >difference
}

# left_begin WAY OPTION... -- JOB: a machine in the background, its process id in $vm.
left_begin() {
    local options=()
    way=$1
    shift
    while [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    shift
    (
        cd machine || exit
        exec env LEFT_BY=linnet TMPDIR="$PWD/../tmp" "$linnet" run --mem 256M --kernel-cache "dir:$PWD/../kept" \
            --control vm --serial file:console --summary summary --junit junit.xml --snd host=file,path=take.wav \
            --disk disk.img --disk path=lower.img,overlay --pmem lower.img --share ./folder,tag=r --share ./folder,tag=w,rw \
            --net user,forward=tcp:127.0.0.1:0-22 --net tap,name=tap7 --net socket,path=lan --balloon \
            --vsock ./v,forward=tcp:127.0.0.1:0-5555 --input keyboard,socket=keys --rng \
            --console name=a,to=pty --console name=b,to=fifo:fifo --console name=c,to=socket:port --console name=d,to=file:words \
            --initrd "$made/$stock.boot" --append "$(job "$@")" "${options[@]}" "$guests/$stock/vmlinuz"
    ) </dev/null >output 2>errors &
    vm=$!
}

left_sleeps() {
    grep -q '^linnet-job: sleep ok' machine/console
}

# left_end STATUS [FILE...]: how it ends, and what may be left.
left_end() {
    local status=0
    wait "$vm" || status=$?
    [ "$status" = "$1" ] || { cat machine/console errors && fail "$way: exit status $status, not $1"; }
    wait_for "$boot_seconds_max" left_is "${@:2}"
    echo "$way: nothing is left"
}

# The files that somebody asked for are there from the start, and so is the kept kernel.
left_before() {
    interface way0 10.9.0.2
    ip route add default via 10.9.0.1
    interface tap7 10.8.0.1
    mkdir -p machine/folder tmp kept
    : >difference
    truncate -s 8M machine/disk.img machine/lower.img
    left_begin first -- poweroff
    wait "$vm" || { cat machine/console errors && fail "the first one: exit status $?"; }
    wait_for "$boot_seconds_max" test ! -e machine/lan # its hub ends with it
    left_now | sort >before
    cat before
}

left_apart() {
    local vm way i
    warm "$made/$stock.boot" "$guests/$stock/vmlinuz"
    trap left_tell EXIT # if something fails
    left_before
    left_begin power-off -- poweroff && left_end 0
    left_begin reset -- reboot && left_end 32
    left_begin panic -- panic && left_end 34
    left_begin time-limit --time-limit 3s -- sleep && left_end 37
    left_begin no-such-disk --disk absent -- sleep && left_end 35
    for way in quit TERM INT HUP KILL; do
        rm -f machine/console && : >machine/console
        left_begin "$way" -- sleep
        wait_for "$boot_seconds_max" left_sleeps
        case $way in
        quit) "$linnet" control machine/vm quit && left_end 0 ;;
        KILL) kill -KILL "$vm" && left_end 137 vm v port keys ;; # sockets that nobody has
        *) kill -"$way" "$vm" && left_end $((128 + $(kill -l "$way"))) ;;
        esac
    done
    for ((i = 0; i < 20; i++)); do # as it begins
        left_begin "KILL $i" -- sleep
        sleep "0.$(printf %03d $((RANDOM % 400)))"
        kill -KILL "$vm"
        wait "$vm" || true # of the signal
        wait_for "$boot_seconds_max" left_stale
    done
    left_begin last -- poweroff && left_end 0 # takes their places
    trap - EXIT
}

# As before, whether it came to make its sockets or not; or it was just giving a file its name.
left_stale() {
    local stale=()
    mapfile -t stale < <(find machine -type s ! -name lan -printf '%f\n' -o -name '*.new' -printf '%f\n')
    left_is "${stale[@]}"
}

left_case() {
    apart left_apart
}

soak_case counting left left_case x86_64

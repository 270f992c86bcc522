#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# What a user may get wrong: each gets one line on standard error that names the thing, nothing on
# standard output, and exit status 35 (say it otherwise) or 1 (this host can't).
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work" || exit 1
seconds_max=120 # for what is a matter of moments
install -m 755 "$linnet" linnet # where any user can run it
kernel=$top/build/guests/6.12-amd64/vmlinuz

# refused STATUS PATTERN COMMAND...: the line must match the extended regular expression.
refused() {
    local want=$1 pattern=$2 status=0
    shift 2
    echo "+ $*"
    timeout --kill-after 5 600 "$@" </dev/null >out 2>errors || status=$?
    cat errors
    [ "$status" = "$want" ] || fail "exit status $status, not $want"
    [ "$(wc -l <errors)" = 1 ] || fail "not one line"
    [ ! -s out ] || fail "there is something on standard output"
    grep -q '^linnet: error: ' errors || fail "the line does not say that it is linnet's error"
    grep -qE -- "$pattern" errors || fail "the line does not match: $pattern"
}

# bad NAME STATUS PATTERN OPTION...: such a `linnet run` is refused.
bad() {
    run_case "cli/$1" refused "$2" "$3" ./linnet run "${@:4}"
}

# with_kvm NAME ...: the same, found out when there is a VM; any KVM will do.
with_kvm() {
    if [ -w /dev/kvm ]; then
        bad "$1" "$2" "$3" --kvm any "${@:4}"
    else
        skipped "cli/$1" "no /dev/kvm to write to"
    fi
}

# device_bad NAME STATUS PATTERN WORD...: such a `linnet device` is refused.
device_bad() {
    run_case "cli/device-$1" refused "$2" "$3" ./linnet device "${@:4}"
}

# there SOCKET: somebody listens; a socket is there before.
there() {
    socat -u OPEN:/dev/null "UNIX-CONNECT:$1" 2>/dev/null
}

# One device has the socket, which goes with it.
device_in_use() {
    local pid
    ./linnet device rng --socket-path rng.sock &
    pid=$!
    wait_for "$seconds_max" there rng.sock
    refused 1 '--socket-path rng.sock: another machine has it' ./linnet device rng --socket-path rng.sock
    kill "$pid"
    wait "$pid"
    [ ! -e rng.sock ] || fail "a socket is left"
}

# Another machine has the socket, or the port of a door.
vsock_in_use() {
    local pids=() port
    socat UNIX-LISTEN:taken,fork PIPE 2>/dev/null &
    pids+=($!)
    socat -d -d TCP-LISTEN:0,bind=127.0.0.1,fork PIPE 2>listening &
    pids+=($!)
    wait_for "$seconds_max" there taken
    wait_for "$seconds_max" grep -q 'listening on' listening
    port=$(sed -n 's/.*listening on .*:\([0-9]*\)$/\1/p' listening)
    wait_for "$seconds_max" listens "$port"
    refused 1 '--vsock path: taken: another machine has it' ./linnet run --vsock taken "$kernel"
    refused 1 "--vsock forward: 127.0.0.1 port $port: .*in use" \
        ./linnet run --vsock "v,forward=tcp:127.0.0.1:$port-1" "$kernel"
    [ ! -e v ] || fail "a socket is left"
    kill "${pids[@]}"
}

# Who listens there is no back-end: it closes, repeats our words, speaks of version 2, or says nothing.
vhost_user_strangers() {
    local pids=() name
    printf '\1\0\0\0\6\0\0\0\10\0\0\0\0\0\0\0\0\0\0\0' >other-version
    socat UNIX-LISTEN:closes,fork EXEC:true 2>/dev/null &
    pids+=($!)
    socat UNIX-LISTEN:repeats,fork PIPE 2>/dev/null &
    pids+=($!)
    socat UNIX-LISTEN:speaks,fork 'SYSTEM:cat other-version; sleep 20' 2>/dev/null &
    pids+=($!)
    socat -u UNIX-LISTEN:says-nothing,fork OPEN:/dev/null 2>/dev/null &
    pids+=($!)
    for name in closes repeats speaks says-nothing; do wait_for "$seconds_max" there "$name"; done
    refused 35 '--vhost-user socket: closes: .*: it closed the connection' \
        ./linnet run --vhost-user kind=disk,socket=closes,timeout=60s "$kernel"
    refused 35 '--vhost-user socket: repeats: GET_FEATURES: that is not vhost-user, version 1' \
        ./linnet run --vhost-user kind=disk,socket=repeats,timeout=60s "$kernel"
    refused 35 '--vhost-user socket: speaks: GET_FEATURES: that is not vhost-user, version 1' \
        ./linnet run --vhost-user kind=disk,socket=speaks,timeout=60s "$kernel"
    refused 35 '--vhost-user socket: says-nothing: GET_FEATURES: no answer in time' \
        ./linnet run --vhost-user kind=disk,socket=says-nothing,timeout=200ms "$kernel"
    kill "${pids[@]}"
}

files() {
    "$top/guests/fetch.sh" 6.12-amd64
    mkdir folder folder.wav
    mkfifo pipe
    echo "this is no kernel" >text
    : >empty
    truncate -s 1M disk.img
    truncate -s 1000 odd.img
    head -c 2000000 "$kernel" >truncated
    head -c 300 "$kernel" >stub
    head -c 3000000 "${kernel%vmlinuz}vmlinux" >truncated-elf
    { head -c 56 /dev/zero && printf 'ARM\x64' && head -c 1000 /dev/zero; } >Image
    echo '/dts-v1/; /plugin/; &{/} { a; }; &uart9 { b; };' |
        dtc -q -@ -I dts -O dtb -o label.dtbo -
    echo '/dts-v1/; /plugin/; &{/} { extra { word = "here"; }; };' |
        dtc -q -@ -I dts -O dtb -o good.dtbo -
    sox -q -n -r 37800 odd.wav trim 0 0.1
    sox -q -n -r 44100 cd.wav trim 0 0.1
    printf '{"kernel": "bzImage",\n "mem": 512M}\n' >syntax.json
    printf '{"kernel": "bzImage",\n "cups": 2}\n' >key.json
    printf '{"kernel": "bzImage", "cpus": "many"}\n' >value.json
}

no_kvm() {
    local mine=(unshare -m)
    [ "$(id -u)" = 0 ] || mine=(unshare -rm)
    "${mine[@]}" mount -t tmpfs none /dev || skip "no mount namespace to hide /dev/kvm in"
    refused 1 '/dev/kvm.*' "${mine[@]}" sh -c \
        'mount -t tmpfs none /dev && exec "$@"' sh ./linnet run "$kernel"
}

# There is room for the two files, and none to replace them when the run ends: that is told, what was
# written when it began is left, and a status that is not 0 stays.
record_full() {
    local mine=(unshare -m) want
    [ "$(id -u)" = 0 ] || mine=(unshare -rm)
    [ -w /dev/kvm ] || skip "no /dev/kvm to write to"
    mkdir -p full
    for want in 1 37; do
        # shellcheck disable=SC2016 # the shell's inside
        "${mine[@]}" sh -c 'mount -t tmpfs -o nr_blocks=2 none full || exit 99
            limit=300ms; [ "$1" = 37 ] || limit=0
            ./linnet run --kvm any --control made --time-limit $limit --summary full/s --junit full/j "$0" \
                </dev/null >out 2>errors &
            until [ "$1" = 37 ] || [ -S made ] || ! kill -0 $!; do sleep 0.1; done
            [ "$1" = 37 ] || ./linnet control made quit
            wait $!; echo $? >status; cp full/s full/j .' "$kernel" "$want" || skip "no mount namespace of its own"
        cat errors
        [ "$(cat status)" = "$want" ] || fail "exit status $(cat status), not $want"
        grep -q '^linnet: error: --junit full/j: No space left' errors
        grep -q '^linnet: error: --summary full/s: No space left' errors
        grep -q '"end": "running"' s && [ "$(tail -n 1 s)" = "}" ]
        xmllint --noout --nonet --schema "$top/tests/junit.xsd" j
    done
}

# A disk that is full is told when the run has ended; the run itself goes on.
transcript_full() {
    local status=0
    [ -w /dev/kvm ] || skip "no /dev/kvm to write to"
    ./linnet run --kvm any --rng --time-limit 300ms --transcript /dev/full --trace trace.json "$kernel" \
        </dev/null >out 2>errors || status=$?
    cat errors
    [ "$status" = 37 ] || fail "exit status $status, not 37"
    grep -q '^linnet: error: --transcript /dev/full: is not complete: No space left' errors
    grep -q traceEvents trace.json && tail -n 1 trace.json | grep -qx "]}"
}

# The tree is written whatever becomes of the guest; the same command gives the same one.
dump_dtb() {
    local name status
    [ -w /dev/kvm ] || skip "no /dev/kvm to write to"
    for name in one two; do
        status=0
        ./linnet run --kvm any --time-limit 200ms --rng --dtbo good.dtbo --dump-dtb "$name.dtb" \
            "$kernel" </dev/null >out || status=$?
        [ "$status" = 37 ] || fail "exit status $status, not 37"
    done
    cmp one.dtb two.dtb
    dtc -I dtb -O dts -o one.dts one.dtb 2>errors
    [ ! -s errors ] || fail "dtc: $(head -n 1 errors)"
    grep -q 'word = "here"' one.dts
}

# The second start takes what the first one kept.
kernel_cache() {
    local turn pid
    [ -w /dev/kvm ] || skip "no /dev/kvm to write to"
    for turn in first second; do
        ./linnet run --kvm any --serial none --kernel-cache dir:kept --log debug "$kernel" \
            </dev/null 2>"$turn" &
        pid=$!
        wait_for "$seconds_max" guest_runs "$pid"
        kill "$pid"
        wait "$pid" || true # of the signal
    done
    grep -q 'kernel cache: .*: kept' first
    grep -q 'kernel cache: .*: taken' second
}

guest_runs() {
    grep -q '^vcpu' "/proc/$1"/task/*/comm
}

# One line, and the guest runs all the same: until its time is up.
kernel_cache_unusable() {
    local status=0
    [ -w /dev/kvm ] || skip "no /dev/kvm to write to"
    ./linnet run --kvm any --time-limit 1s --kernel-cache dir:text "$kernel" </dev/null \
        >out 2>errors || status=$?
    cat errors
    [ "$status" = 37 ] || fail "exit status $status, not 37"
    grep -qx 'linnet: warn: --kernel-cache text: not used: Not a directory' errors
}

# Without a place for it in the environment there is none, and not a word.
kernel_cache_nowhere() {
    [ -w /dev/kvm ] || skip "no /dev/kvm to write to"
    env -u HOME -u XDG_CACHE_HOME ./linnet run --kvm any --serial none "$kernel" </dev/null \
        >out 2>errors &
    wait_for "$seconds_max" guest_runs $!
    kill $!
    wait $! || true # of the signal
    cat errors
    [ ! -s errors ]
}

no_permission() {
    [ -e /dev/kvm ] || skip "no /dev/kvm"
    [ "$(id -u)" = 0 ] || skip "not root, so it can't become a user who may not open /dev/kvm"
    [ "$(stat -c %A /dev/kvm | cut -c 8-9)" != rw ] || skip "everybody may open /dev/kvm"
    refused 1 '/dev/kvm.*([Pp]ermission|group)' \
        setpriv --reuid 65534 --regid 65534 --clear-groups ./linnet run "$kernel"
}

emulating() {
    [ -w /dev/kvm ] || skip "no /dev/kvm to write to"
    ! ./linnet doctor --kvm || skip "this machine's KVM does not emulate"
    refused 1 '/dev/kvm only emulates' ./linnet run "$kernel"
}

# A command is not run, and its status is none of its own.
command_emulating() {
    [ -w /dev/kvm ] || skip "no /dev/kvm to write to"
    ! ./linnet doctor --kvm || skip "this machine's KVM does not emulate"
    refused 125 '/dev/kvm only emulates' ./linnet run --root none "$kernel" -- true
}

# The second of two linnets that record into one file.
two_recordings() {
    local first
    [ -w /dev/kvm ] || skip "no /dev/kvm to write to"
    ./linnet run --kvm any --snd host=file,path=shared.wav "$kernel" </dev/null >/dev/null &
    first=$!
    wait_for "$seconds_max" test -s shared.wav
    refused 1 '--snd path.*shared\.wav' ./linnet run --kvm any \
        --snd host=file,path=shared.wav "$kernel"
    kill "$first"
    wait "$first" || true # of the signal
}

# The second of two machines that have one disk, of which one writes it.
two_writers() {
    local first
    [ -w /dev/kvm ] || skip "no /dev/kvm to write to"
    ./linnet run --kvm any --serial none --disk disk.img "$kernel" </dev/null &
    first=$!
    # shellcheck disable=SC2064 # with its value: it is local
    trap "kill $first; wait $first" EXIT
    wait_for "$seconds_max" guest_runs "$first"
    refused 35 "--disk path: disk\.img is in use by process $first; " ./linnet run --kvm any \
        --disk disk.img "$kernel"
    refused 35 "in use by process $first; " ./linnet run --kvm any --disk path=disk.img,ro "$kernel"
    refused 35 "--pmem path: disk\.img is in use by process $first; " ./linnet run --kvm any \
        --pmem disk.img "$kernel"
    kill "$first"
    trap - EXIT
    wait "$first" || true # of the signal
}

share_unreadable() {
    [ "$(id -u)" = 0 ] || skip "not root, so it can't become a user who may not read a folder"
    mkdir -m 700 mine
    chmod 755 .
    refused 35 '--share path: mine: Permission denied' \
        setpriv --reuid 65534 --regid 65534 --clear-groups ./linnet run --share mine,tag=a "$kernel"
    refused 35 "--share path: folder: can't be written to .Permission denied.; leave rw out" \
        setpriv --reuid 65534 --regid 65534 --clear-groups ./linnet run --share folder,tag=a,rw "$kernel"
}

disk_not_writable() {
    [ "$(id -u)" = 0 ] || skip "not root, so it can't become another user"
    refused 35 "disk\.img can't be written: Permission denied; add ro or overlay" \
        setpriv --reuid 65534 --regid 65534 --clear-groups ./linnet run --disk disk.img "$kernel"
}

# Nobody has made that interface, or /dev/net/tun is not for this user.
net_tap_not_mine() {
    [ -e /dev/net/tun ] || skip "no /dev/net/tun"
    [ "$(id -u)" = 0 ] || skip "not root, so it can't become another user"
    refused 1 '--net: tap absent0: make it for you first: sudo ip tuntap add absent0 mode tap vnet_hdr user' \
        setpriv --bounding-set -net_admin --inh-caps -net_admin ./linnet run --net tap,name=absent0 "$kernel"
    mkdir net
    mknod -m 600 net/tun c 10 200 || skip "no device node can be made here"
    refused 1 '--net: /dev/net/tun .let users have it: sudo chmod 666 /dev/net/tun.: Permission denied' \
        unshare -m sh -c 'mount --bind net /dev/net && exec "$@"' sh \
        setpriv --reuid 65534 --regid 65534 --clear-groups ./linnet run --net tap,name=tap0 "$kernel"
}

# Where the kernel's vhost devices are not loaded, or not for this user.
vhost_not_there() {
    [ "$(id -u)" = 0 ] || skip "not root, so it can't become another user"
    mkdir dev
    refused 1 '--net vhost: /dev/vhost-net: load its module: sudo modprobe vhost-net: No such file' \
        unshare -m sh -c 'mount --bind dev /dev && exec "$@"' sh ./linnet run --net tap,name=tap0,vhost "$kernel"
    refused 1 '--vsock: /dev/vhost-vsock: load its module: sudo modprobe vhost-vsock: No such file' \
        unshare -m sh -c 'mount --bind dev /dev && exec "$@"' sh ./linnet run --vsock vhost "$kernel"
    mknod -m 600 dev/vhost-net c 10 238 || skip "no device node can be made here"
    refused 1 '--net vhost: /dev/vhost-net: let users have it: sudo chmod 666 /dev/vhost-net: Permission denied' \
        unshare -m sh -c 'mount --bind dev /dev && exec "$@"' sh \
        setpriv --reuid 65534 --regid 65534 --clear-groups ./linnet run --net tap,name=tap0,vhost "$kernel"
}

# Another program listens at a port of 127.0.0.1.
net_port_in_use() {
    local other port
    socat -d -d TCP-LISTEN:0,bind=127.0.0.1 /dev/null 2>listening &
    other=$!
    # shellcheck disable=SC2064 # with its value: it is local
    trap "kill $other" EXIT
    wait_for "$seconds_max" grep -q 'listening on' listening
    port=$(sed -n 's/.*listening on .*:\([0-9]*\)$/\1/p' listening)
    wait_for "$seconds_max" listens "$port"
    refused 1 "--net forward: 127\.0\.0\.1 port $port: give another one, or 0 for any that is free" \
        ./linnet run --net "user,forward=tcp:127.0.0.1:$port-22" "$kernel"
}

# machine COMMAND...: while a machine has a control socket. It ends by "quit".
machine() {
    local vm status=0
    [ -w /dev/kvm ] || skip "no /dev/kvm to write to"
    ./linnet run --kvm any --serial none --control socket --snd host=null,jacks=mic "$kernel" \
        </dev/null &
    vm=$!
    # shellcheck disable=SC2064 # with its value: it is local
    trap "kill $vm; wait $vm" EXIT # if something fails
    wait_for "$seconds_max" ./linnet control socket status # it is there before it listens
    "$@"
    ./linnet control socket quit
    trap - EXIT
    wait "$vm" || status=$?
    [ "$status" = 0 ] || fail "exit status $status of the machine"
    [ ! -e socket ] || fail "the socket is still there"
}

# isolated COMMAND...: while a machine has a control socket whose card is a process of its own. It ends by
# "quit", with that status; sets card.
isolated() {
    local vm card status=0
    [ -w /dev/kvm ] || skip "no /dev/kvm to write to"
    ./linnet run --kvm any --serial none --control socket --summary summary --junit junit \
        --snd host=file,path=take.wav,jacks=mic,expect=freq=440,isolate "$kernel" </dev/null 2>said &
    vm=$!
    # shellcheck disable=SC2064 # with its value: it is local
    trap "kill $vm; wait $vm" EXIT # if something fails
    wait_for "$seconds_max" ./linnet control socket status # it is there before it listens
    card=$(pgrep -P "$vm") # it has one child
    "$@"
    ./linnet control socket quit
    trap - EXIT
    wait "$vm" || status=$?
    cat summary junit said
    [ "$status" = "$expected_status" ] || fail "exit status $status of the machine"
    ! kill -0 "$card" || fail "its process is still there"
}

# It does what a card inside does: its jack, its verdict, what is told of it.
isolated_card() {
    wait_for "$seconds_max" grep -q '"end": "running"' summary
    grep -q '"take.wav"' summary || fail "the first summary does not tell of its file"
    ./linnet control socket help | grep -x 'snd0 WORD...'
    ./linnet control socket snd0 jack 0 unplug
    ./linnet control socket snd0 jack | grep -x '0 mic unplugged'
    refused 1 "there is no jack '9'" ./linnet control socket snd0 jack 9 plug
    ./linnet control socket pause
    refused 1 'the machine is paused; resume it first' ./linnet control socket snd0 jack 0 plug
    ./linnet control socket resume
    ./linnet control socket snd0 jack 0 plug
}

isolated_told() {
    local expected_status=38
    isolated isolated_card
    [ "$(wc -l <said)" = 1 ] || fail "not one line"
    grep -q '^linnet: error: snd0 out0: expected freq 440' said || fail "that is not the card's line"
    tr -d '\n' <summary | grep -qE '"end": "expectation", *"status": 38,.*"message": "snd0 out0: expected freq 440' ||
        fail "the summary does not say why"
    tr -d '\n' <summary | grep -qE '"device": "snd0", *"what": "freq=440", *"result": "fail"' ||
        fail "the summary does not tell of the expectation"
    grep -q '"take.wav"' summary || fail "the summary does not tell of the file"
    grep -q 'name="snd0: freq=440".*<failure' junit || fail "JUnit's file does not tell of the expectation"
}

# One that hangs is waited for no longer than that, and is asked again when it has come back.
isolated_hangs() {
    kill -STOP "$card"
    refused 1 'snd0: its process does not answer' ./linnet control socket snd0 jack
    refused 1 'snd0: its process does not answer' ./linnet control socket snd0 jack
    ./linnet control socket status
    kill -CONT "$card"
    wait_for "$seconds_max" ./linnet control socket snd0 jack
}

isolated_dies() {
    kill -KILL "$card"
    wait_for "$seconds_max" has_ended
    refused 1 'snd0: its process has ended' ./linnet control socket snd0 jack
    ./linnet control socket status
}

has_ended() {
    ! ./linnet control socket snd0 jack 2>answer && grep 'has ended' answer
}

isolated_lost() {
    local expected_status=$1
    isolated "$2"
}

# answered ANSWER: to a client that writes what is on standard input, and is then served no more.
answered() {
    local got
    got=$(timeout 600 socat -t 600 - UNIX-CONNECT:socket)
    echo "$got"
    [ "$got" = "$1" ] || fail "this is not: $1"
}

refusal() {
    printf '{"ok":false,"error":"%s"}' "$1"
}

control_no_json() {
    echo status | answered "$(refusal "not JSON: '[' or '{' expected near 'status'")"
}

control_unknown() {
    echo '{"do": "stauts"}' |
        answered "$(refusal '\"stauts\": no such request or device; did you mean status?')"
    refused 1 '"stauts": .*did you mean status' ./linnet control socket stauts
}

control_line_without_end() {
    printf '{"do": "status"}' | answered "$(refusal 'a line ends with a newline')"
    head -c 4096 /dev/zero | tr '\0' ' ' | answered "$(refusal 'the line is too long')"
}

# Sixteen that say nothing are no trouble; one more is told, and one can come when one has gone.
control_clients() {
    local clients=()
    for _ in {1..16}; do
        socat -u UNIX-CONNECT:socket CREATE:/dev/null &
        clients+=($!)
    done
    wait_for "$seconds_max" sockets_are 17 # with the one that they come to
    refused 1 'too many clients' ./linnet control socket status
    kill "${clients[0]}"
    wait_for "$seconds_max" sockets_are 16
    ./linnet control socket status
    kill "${clients[@]:1}"
}

sockets_are() {
    [ "$(find "/proc/$vm/fd" -lname 'socket:*' | wc -l)" = "$1" ]
}

# Paused it is left to "quit".
control_paused() {
    ./linnet control socket pause
    refused 1 'paused already' ./linnet control socket pause
    refused 1 'the machine is paused; resume it first' ./linnet control socket snd0 jack 0 unplug
    ./linnet control socket status | grep -x 'state  *paused'
    ./linnet control socket resume
    refused 1 'not paused' ./linnet control socket resume
    ./linnet control socket snd0 jack 0 unplug
    ./linnet control socket pause
}

control_other_user() {
    [ "$(id -u)" = 0 ] || skip "not root, so it can't become another user"
    chmod 666 socket
    refused 1 "this machine is another user's" \
        setpriv --reuid 65534 --regid 65534 --clear-groups ./linnet control socket status
}

run_case cli/files files
[ "$case_status" = 0 ] || finish

run_case cli/no-command refused 35 'linnet run' ./linnet
run_case cli/unknown-command refused 35 'rum.*run' ./linnet rum
bad until-no-regex 35 '^linnet: error: --until .* regular' --until '(' "$kernel"
bad summary-nowhere 35 '^linnet: error: --summary /nowhere/x' --summary /nowhere/x "$kernel"
bad junit-nowhere 35 '^linnet: error: --junit /nowhere/x: No such' --junit /nowhere/x "$kernel"
bad junit-no-file 35 '^linnet: error: --junit /dev/null: is there and no' --junit /dev/null "$kernel"
bad junit-summary 35 '^linnet: error: --junit x: is the file of --summary' --junit x --summary x "$kernel"
run_case cli/record-full record_full
bad transcript-nowhere 35 '^linnet: error: --transcript /nowhere/x: No such' --transcript /nowhere/x "$kernel"
bad transcript-folder 35 '^linnet: error: --transcript folder: Is a directory' --transcript folder "$kernel"
bad transcript-pipe 35 '^linnet: error: --transcript pipe: is a pipe; give it a file' --transcript pipe "$kernel"
bad transcript-no-value 35 '--transcript' "$kernel" --transcript
bad trace-nowhere 35 '^linnet: error: --trace /nowhere/x: No such' --trace /nowhere/x "$kernel"
bad trace-transcript 35 '^linnet: error: --trace x: is the file of --transcript' --trace x --transcript x "$kernel"
run_case cli/transcript-full transcript_full
bad unknown-option 35 '--men.*--mem' --men 1G "$kernel"
bad unknown-key 35 'hots.*host' --snd hots=file "$kernel"
bad unknown-choice 35 'host.*fiel.*file' --snd host=fiel "$kernel"
bad option-without-value 35 '--mem' "$kernel" --mem
bad two-kernels 35 'text' "$kernel" text
bad mem-zero 35 '--mem' --mem 0 "$kernel"
bad mem-word 35 '--mem' --mem lots "$kernel"
bad mem-too-large 35 '--mem' --mem 100000T "$kernel"
bad hugepages-choice 35 '--hugepages.*auto, off, 2M or 1G' --hugepages 4K "$kernel"
with_kvm hugepages-multiple 35 '--hugepages 2M: --mem must be a multiple' --hugepages 2M --mem 33M "$kernel"
with_kvm hugepages-lacking 1 '--hugepages 1G: .*--hugepages auto' --hugepages 1G --mem 1T "$kernel"
bad cpus-zero 35 '--cpus' --cpus 0 "$kernel"
bad cpus-too-many 35 '--cpus.*64' --cpus 65 "$kernel"
bad kernel-not-given 35 'KERNEL|kernel'
bad append-too-long 35 '--append' --append "$(printf '%02100d' 0)" "$kernel"
bad json-missing 35 'absent\.json' --config absent.json
bad json-syntax 35 'syntax\.json:2:' --config syntax.json
bad json-unknown-key 35 'key\.json.*cups.*cpus' --config key.json
bad json-wrong-value 35 'value\.json.*cpus' --config value.json
with_kvm kernel-missing 1 'absent' absent
with_kvm kernel-directory 1 'folder.*' folder
with_kvm kernel-pipe 35 'kernel pipe: not a regular file' pipe
with_kvm kernel-empty 1 'empty' empty
with_kvm kernel-not-one 1 'text.*not a kernel' text
with_kvm kernel-stub 1 'stub' stub
with_kvm kernel-truncated 1 'truncated' truncated
with_kvm kernel-elf-truncated 1 'truncated-elf' truncated-elf
with_kvm kernel-too-large 1 '--mem' --mem 32M "$kernel"
with_kvm kernel-of-arm64 1 'Image: an arm64 kernel.*x86_64' Image
with_kvm dtb-missing 1 '--dtb absent' --dtb absent "$kernel"
with_kvm dtb-not-one 35 'text: not a device tree' --dtb text "$kernel"
with_kvm dtb-overlay 35 'good\.dtbo: an overlay.*--dtbo' --dtb good.dtbo "$kernel"
bad dtbo-without-file 35 '--dtbo path' "$kernel" --dtbo
with_kvm dtbo-missing 1 '--dtbo absent' --dtbo absent "$kernel"
with_kvm dtbo-not-one 35 'text: not a device tree overlay' --dtbo good.dtbo --dtbo text "$kernel"
with_kvm dtbo-label 35 'label\.dtbo: fragment@1: .*label uart9' --dtbo path=label.dtbo "$kernel"
with_kvm dump-dtb-pipe 1 '--dump-dtb pipe: No such device' --dump-dtb pipe "$kernel"
with_kvm serial-pipe 1 '--serial file:pipe: No such device' --serial file:pipe "$kernel"
with_kvm dump-dtb-not-writable 1 '--dump-dtb /nowhere/x' --dump-dtb /nowhere/x "$kernel"
run_case cli/dump-dtb dump_dtb
bad kernel-cache-choice 35 '--kernel-cache.*on, off or dir:DIR' --kernel-cache of "$kernel"
bad kernel-cache-no-folder 35 '--kernel-cache' --kernel-cache dir: "$kernel"
run_case cli/kernel-cache kernel_cache
run_case cli/kernel-cache-unusable kernel_cache_unusable
run_case cli/kernel-cache-nowhere kernel_cache_nowhere
with_kvm initrd-pipe 35 '--initrd pipe: not a regular file' --initrd pipe "$kernel"
with_kvm initrd-missing 1 '--initrd.*absent' --initrd absent "$kernel"
with_kvm initrd-too-large 1 'vmlinux.*--mem' --mem 100M \
    --initrd "${kernel%vmlinuz}vmlinux" "$kernel"
with_kvm sound-without-path 35 '--snd path' --snd host=file "$kernel"
with_kvm sound-not-writable 1 '--snd path.*/nowhere/x\.wav' --snd host=file,path=/nowhere/x.wav "$kernel"
with_kvm sound-is-directory 1 '--snd path.*folder\.wav' --snd host=file,path=folder.wav "$kernel"
with_kvm sound-of-no-kind 35 '--snd path.*x\.foo' --snd host=file,path=x.foo "$kernel"
with_kvm sound-source-of-odd-rate 35 'source-path.*37800 Hz.*resample it' \
    --snd source-path=odd.wav "$kernel"
with_kvm sound-source-of-another-rate 35 'rates.*can do none of these; leave rates= out' \
    --snd source-path=cd.wav,rates=48000 "$kernel"
with_kvm alsa-device-missing 1 '--snd device.*hw:Nonesuch' --snd host=alsa,device=hw:Nonesuch "$kernel"
run_case cli/two-recordings two_recordings
bad share-without-path 35 '--share path' --share tag=a "$kernel"
bad share-without-tag 35 '--share tag' --share folder "$kernel"
bad share-missing 35 '--share path: absent: No such file' --share absent,tag=a "$kernel"
bad share-no-folder 35 '--share path: text: Not a directory' --share text,tag=a "$kernel"
bad share-of-proc 35 '--share path: /proc: has no plain files' --share /proc,tag=a "$kernel"
bad share-tag-empty 35 '--share tag: is empty' --share folder,tag= "$kernel"
bad share-tag-long 35 '--share tag: too long' --share folder,tag=1234567890123456789012345678901234567 "$kernel"
bad share-tag-twice 35 '--share tag: two have .a.; give each one' --share folder,tag=a --share path=folder,tag=a "$kernel"
bad share-five 35 '--share: one too many' --share .,tag=1 --share .,tag=2 --share .,tag=3 --share .,tag=4 --share .,tag=5 "$kernel"
run_case cli/share-unreadable share_unreadable
bad transport-unknown 35 '--transport.*"isa".*mmio or pci' --transport isa "$kernel"
bad transport-of-device-unknown 35 '--rng transport.*"isa".*mmio or pci' --rng transport=isa "$kernel"
bad transport-of-device-misspelt 35 '--rng.*"transprt".*transport' --rng transprt=pci "$kernel"
all=(--rng --vsock v --balloon --console 'name=a,to=null') # 32 devices: as many as a PCI bus has room for
for i in {1..4}; do all+=(--snd host=null --share ".,tag=t$i" --pmem text --input mouse --net 'socket,path=lan'); done
for i in {1..8}; do all+=(--disk 'path=disk.img,ro'); done
bad pci-devices-too-many 35 '--vhost-user: one too many; a machine has at most 32' --transport pci "${all[@]}" \
    --vhost-user kind=rng,socket=absent "$kernel"
bad disk-without-path 35 '--disk path' "$kernel" --disk
bad disk-missing 35 '--disk path: there is no absent; .truncate' --disk path=absent "$kernel"
bad disk-folder 35 'folder is neither a file nor a block device' --disk folder "$kernel"
bad disk-empty 35 'empty has 0 bytes.*at least 512' --disk empty "$kernel"
bad disk-odd 35 'odd\.img has 1000 bytes.*multiple of 512; .truncate -s %512 odd\.img' --disk odd.img "$kernel"
bad disk-overlay-of-ro 35 '--disk overlay.*leave one' --disk path=disk.img,ro,overlay "$kernel"
bad disk-serial 35 '--disk serial: too long' --disk path=disk.img,serial=123456789012345678901 "$kernel"
bad disk-queues 35 '--disk queues.*1 to 16' --disk path=disk.img,queues=17 "$kernel"
TMPDIR=/nowhere bad disk-no-tmpdir 35 '--disk overlay: no file in /nowhere.*set TMPDIR' --disk path=disk.img,overlay "$kernel"
bad input-without-kind 35 '--input kind' --input socket=x "$kernel"
bad input-kind 35 '--input kind.*keyboard, mouse, touch' --input joystick "$kernel"
bad input-size-of-mouse 35 '--input width, height: are for kind=touch' --input mouse,width=10 "$kernel"
bad input-no-node 35 '--input kind: evdev:/dev/null: give an event node' --input evdev:/dev/null "$kernel"
bad input-node-missing 35 '--input kind: evdev:absent: No such file' --input evdev:absent "$kernel"
bad input-node-and-socket 35 '--input socket: .*leave it out' --input evdev:/dev/null,socket=x "$kernel"
bad input-no-folder 1 '--input socket nowhere/x.*give another name' --input keyboard,socket=nowhere/x "$kernel"
bad input-one-socket 35 '--input socket: two have .x.; give each one' --input mouse,socket=x --input touch,socket=x "$kernel"
bad input-five 35 '--input: one too many' --input mouse --input mouse --input mouse --input mouse --input mouse "$kernel"
bad pmem-without-path 35 '--pmem path' "$kernel" --pmem
bad pmem-missing 35 '--pmem path: absent: No such file' --pmem absent "$kernel"
bad pmem-folder 35 '--pmem path: folder is not a regular file' --pmem folder "$kernel"
bad pmem-empty 35 '--pmem path: empty is empty; give an image' --pmem empty "$kernel"
bad pmem-five 35 '--pmem: one too many' --pmem text --pmem text --pmem text --pmem text --pmem text "$kernel"
bad console-stdio-and-serial 35 '--console to: stdio: the serial console has it; add --serial none' --console name=a,to=stdio "$kernel"
run_case cli/disk-two-writers two_writers
run_case cli/disk-not-writable disk_not_writable
bad net-choice 35 '--net host.*tup.*user, tap or socket' --net tup "$kernel"
bad net-forward 35 '--net forward: "22" will not do; give tcp:ADDRESS:PORT-GUESTPORT' --net user,forward=22 "$kernel"
bad net-forward-address 35 '"localhost" is not an address of IP' --net user,forward=tcp:localhost:2222-22 "$kernel"
bad net-forward-not-here 1 '--net forward: 192\.0\.2\.1 port 2222' --net user,forward=tcp:192.0.2.1:2222-22 "$kernel"
run_case cli/net-port-in-use net_port_in_use
run_case cli/net-passt-missing refused 1 'passt is missing; install it .sudo apt install passt., or give tap or socket' \
    env PATH=/nowhere ./linnet run --net user "$kernel"
bad net-mac 35 '--net mac: "00:11:22" will not do; give an address as 52:54:00' --net user,mac=00:11:22 "$kernel"
bad net-mac-of-group 35 '--net mac.*the first number even' --net user,mac=01:11:22:33:44:55 "$kernel"
bad net-mtu 35 '--net mtu.*1280 to 65520' --net user,mtu=500 "$kernel"
bad net-tap-without-name 35 'tap wants either the name of an interface' --net tap "$kernel"
bad net-tap-name-long 35 'is too long; give a name of at most 15 letters' --net tap,name=a234567890123456 "$kernel"
bad net-tap-queues 35 '--net queues.*1 to 8' --net tap,name=a,queues=9 "$kernel"
bad net-tap-fd 35 'fd 77: not a tap interface' --net tap,fd=77 "$kernel"
run_case cli/net-tap-not-mine net_tap_not_mine
bad net-vhost-user 35 '--net vhost: the kernel serves a tap only; give --net tap' --net user,vhost "$kernel"
run_case cli/vhost-not-there vhost_not_there
bad net-socket-without-path 35 'socket wants either path=SOCKET' --net socket "$kernel"
bad net-socket-no-folder 1 '--net path: the folder of nowhere/lan: No such file' --net socket,path=nowhere/lan "$kernel"
bad net-socket-no-socket 1 '--net path: text is no socket of yours; give another name' --net socket,path=text "$kernel"
bad net-socket-long 35 'too long; give a name of at most 107 bytes' --net "socket,path=$(printf '%0108d' 0)" "$kernel"
bad net-socket-fd 35 'fd 77: not a stream socket' --net socket,fd=77 "$kernel"
bad net-five 35 '--net: one too many' --net --net --net --net --net "$kernel"
bad vsock-without-path 35 '--vsock path: missing' "$kernel" --vsock
bad vsock-long-path 35 '--vsock path: .*at most 96 bytes' --vsock "$(printf '%097d' 0)" "$kernel"
bad vsock-no-folder 1 '--vsock path: nowhere/v: .*give another name' --vsock nowhere/v "$kernel"
bad vsock-no-socket 1 '--vsock path: text: .*give another name' --vsock text "$kernel"
bad vsock-cid 35 '--vsock cid.*3 to 4294967294' --vsock v,cid=2 "$kernel"
bad vsock-forward 35 '--vsock forward: "5555" will not do; give tcp:' --vsock v,forward=5555 "$kernel"
bad vsock-forward-udp 35 '--vsock forward: streams only' --vsock v,forward=udp:127.0.0.1:0-1 "$kernel"
bad vsock-vhost-forward 35 '--vsock forward: not with vhost' --vsock vhost,forward=tcp:127.0.0.1:0-1 "$kernel"
bad vhost-user-without-kind 35 '--vhost-user kind: missing' --vhost-user socket=s "$kernel"
bad vhost-user-kind 35 '--vhost-user kind: no such device: "sound"; give net, disk' --vhost-user kind=sound,socket=s "$kernel"
bad vhost-user-without-socket 35 '--vhost-user: give socket=PATH' --vhost-user kind=snd "$kernel"
bad vhost-user-absent 35 '--vhost-user socket: absent: nobody listens there; start the back-end' \
    --vhost-user kind=disk,socket=absent,timeout=100ms "$kernel"
bad vhost-user-no-socket 35 '--vhost-user socket: text: no socket; give the path' --vhost-user kind=disk,socket=text "$kernel"
bad vhost-user-long 35 'too long; give a name of at most 107 bytes' --vhost-user "kind=disk,socket=$(printf '%0108d' 0)" "$kernel"
bad vhost-user-fd 35 '--vhost-user fd: 77: SET_OWNER: Bad file descriptor' --vhost-user kind=disk,fd=77 "$kernel"
bad vhost-user-twice 35 '--vhost-user socket' --vhost-user kind=disk,socket=s --vhost-user kind=disk,socket=s "$kernel"
device_bad no-kind 35 'device: no kind; ' --socket-path s
device_bad unknown-kind 35 'device "sdn": no such kind; did you mean snd' sdn --socket-path s
device_bad no-socket 35 'device rng: give --socket-path SOCKET or --fd N' rng
device_bad two-sockets 35 'device rng: give .*, not both' rng --socket-path s --fd 0
device_bad option 35 'device "--socket": no such option; ' rng --socket s
device_bad key 35 '--snd "hots": no such key; did you mean "host"' snd --socket-path s hots=file
device_bad key-missing 35 '--disk path: missing' disk --socket-path s
device_bad two-words 35 'device snd: one word of keys too many' snd --socket-path s host=null jacks=mic
device_bad window 35 "device pmem: can't be a process of its own, because the guest maps its memory" \
    pmem --socket-path s disk.img
device_bad front-end 35 'device vhost-user: that is a front-end' vhost-user --socket-path s
device_bad fd-closed 35 '--fd 77: no open Unix stream socket' rng --fd 77
device_bad control-fd-closed 35 '--control-fd 77: no open Unix stream socket' rng --socket-path s --control-fd 77
device_bad control-text 1 '--control text: no socket of yours' rng --socket-path s --control text
device_bad transcript-nowhere 35 '--transcript /nowhere/x: No such' rng --socket-path s --transcript /nowhere/x
device_bad fd-file 35 '--fd 0: no open Unix stream socket' rng --fd 0
device_bad socket-text 1 '--socket-path text: no socket of yours' rng --socket-path text
device_bad socket-long 35 '--socket-path .*at most 107 bytes' rng --socket-path "$(printf '%0108d' 0)"
[ ! -w /dev/vhost-vsock ] ||
    device_bad kernel 35 'device vsock: the kernel serves machines of linnet run only' vsock --socket-path s vhost,cid=77
run_case cli/device-socket-in-use device_in_use
run_case cli/vhost-user-strangers vhost_user_strangers
bad isolate-pmem 35 '--pmem "isolate": no such key' --pmem path=disk.img,isolate "$kernel"
bad isolate-console 35 '--console "isolate": no such key' --console name=a,isolate "$kernel"
bad isolate-disk-absent 35 '--disk path: there is no absent.img' --disk absent.img,isolate "$kernel"
bad isolate-disk-twice 35 '--disk path: disk.img is in use by process' --disk disk.img,isolate --disk disk.img,isolate "$kernel"
bad vsock-two 35 '--vsock: one too many' --vsock v --vsock w "$kernel"
run_case cli/vsock-in-use vsock_in_use
with_kvm control-no-folder 1 '--control nowhere/socket.*give another name' --control nowhere/socket "$kernel"
with_kvm control-no-socket 1 '--control text.*give another name' --control text "$kernel"
with_kvm control-long-name 35 '--control.*give a name of at most 107 bytes' \
    --control "$(printf '%0108d' 0)" "$kernel"
run_case cli/control-nobody-there refused 1 'absent.*--control absent' ./linnet control absent status
run_case cli/control-no-words refused 35 'linnet control SOCKET' ./linnet control socket
run_case cli/control-bad-words refused 35 'control characters' ./linnet control socket $'a\nb'
run_case cli/control-no-json machine control_no_json
run_case cli/control-unknown machine control_unknown
run_case cli/control-line-without-end machine control_line_without_end
run_case cli/control-clients machine control_clients
run_case cli/control-paused machine control_paused
run_case cli/control-other-user machine control_other_user
run_case cli/isolate-told isolated_told
run_case cli/isolate-hangs isolated_lost 38 isolated_hangs
run_case cli/isolate-dies isolated_lost 1 isolated_dies
bad command-option-wrong 125 '--mem.*lots' --mem lots "$kernel" -- true
bad command-option-unknown 125 '--cdw.*--cwd' --cdw / "$kernel" -- true
bad command-kernel-unknown 125 'KERNEL "6\.99": no such file, build tree or release; installed: ' 6.99 -- true
bad command-kernel-folder 125 'KERNEL "folder": a folder with no ' folder -- true
bad command-kernel-not-one 125 'text.*not a kernel' --kvm any --root none text -- true
bad command-serial 125 '--serial stdio.*give keep, stderr' --serial stdio "$kernel" -- true
bad command-console 125 '--console to: stdio: .* the command' --kvm any --root none --console name=a,to=stdio "$kernel" -- true
bad command-rw-root 125 '--rw /: .*name the folders' --rw / "$kernel" -- true
bad command-rw-missing 125 '--rw absent: No such file' --rw absent "$kernel" -- true
bad command-rw-guest 125 '--rw folder:x: .*begins with /' --rw folder:x "$kernel" -- true
bad command-rw-no-folder 125 '--rw path: missing' "$kernel" --rw -- true
bad command-rw-many 125 '--rw: one too many' --rw . --rw . --rw . --rw . "$kernel" -- true
bad command-root-missing 125 'absent' --kvm any --root absent "$kernel" -- true
bad command-systemd-without-root 125 '--systemd: with --root none there is no systemd' --systemd --root none "$kernel" -- true
bad command-root-pipe 125 '--root disk: pipe' --root disk --disk pipe "$kernel" -- true
bad command-root-disk 125 '--root disk: there is none; add --disk' --root disk "$kernel" -- true
bad command-modules 125 '--modules "folder": no modules.order' --modules folder "$kernel" -- true
bad command-initrd 125 '--initrd absent' --kvm any --initrd absent "$kernel" -- true
bad command-missing 35 '--cwd: is for a command; add -- CMD' --cwd / "$kernel"
bad command-missing-rw 35 '--rw: is for a command; add -- CMD' --rw folder "$kernel" --
run_case cli/command-kvm-emulating command_emulating
run_case cli/kvm-missing no_kvm
run_case cli/kvm-no-permission no_permission
run_case cli/kvm-emulating emulating
finish

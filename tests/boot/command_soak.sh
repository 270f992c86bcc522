# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# linnet run -- CMD: the long proofs, for `make soak`.
# shellcheck disable=SC2016 # the guest's own $

# begun OPTION... -- CMD...: linnet in the background, once CMD has written a line; $vm.
begun() {
    : >console
    "$linnet" run "${command_options[@]}" "$@" </dev/null >console 2>errors &
    vm=$!
    wait_for "$boot_seconds_max" grep -q . console
}

# ends_with STATUS: what `begun` began.
ends_with() {
    local status=0
    wait "$vm" || status=$?
    cat errors
    [ "$status" = "$1" ] || fail "exit status $status, not $1"
}

# 64 MiB each way at once, and 16 on standard error; who reads stops for a while.
command_streams() {
    local status
    warm "$kernel"
    head -c 67108864 /dev/urandom >sent
    "$linnet" run "${command_options[@]}" "$kernel" -- sh -c '
        head -c 16777216 /dev/urandom >/tmp/err; sha256sum </tmp/err; cat /tmp/err >&2 &
        tee /tmp/in; wait; sha256sum </tmp/in' <sent 2>errors |
        (head -c 1000000 && sleep 5 && cat) >console
    status=${PIPESTATUS[0]}
    [ "$status" = 0 ] || fail "exit status $status"
    [ "$(head -c 68 console)" = "$(sha256sum <errors)" ] || fail "standard error differs"
    tail -c +69 console | head -c 67108864 | cmp - sent
    [ "$(tail -c 68 console)" = "$(sha256sum <sent)" ] || fail "standard input differs"
}

# All of it is there before the guest has booted, and then its end.
command_closed_input() {
    local i
    warm "$kernel"
    head -c 3000000 /dev/urandom >sent
    for ((i = 1; i <= ${COMMANDS:-100}; i++)); do
        "$linnet" run "${command_options[@]}" "$kernel" -- cat <sent >console 2>errors ||
            fail "run $i: exit status $?"
        cmp sent console || fail "run $i"
        [ ! -s errors ] || fail "run $i: standard error: $(head -n 1 errors)"
    done
}

# Standard streams that are not there, one and all of them.
command_no_streams() {
    local status=0
    warm "$kernel"
    "$linnet" run "${command_options[@]}" "$kernel" -- sh -c 'read -r x; echo "$?$x"' \
        <&- >console 2>errors || status=$?
    [ "$status$(cat console)" = 01 ] || fail "without input: status $status, $(cat console)"
    "$linnet" run "${command_options[@]}" "$kernel" -- sh -c 'echo lost; exit 4' \
        </dev/null >&- 2>errors || status=$?
    [ "$status" = 4 ] || fail "without output: status $status"
    "$linnet" run "${command_options[@]}" "$kernel" -- sh -c 'echo lost; exit 5' \
        <&- >&- 2>&- || status=$?
    [ "$status" = 5 ] || fail "without any: status $status"
}

# 200,000 bytes of words, every byte but 0 in words and in the environment.
command_words() {
    local all i words=()
    warm "$kernel"
    all=$(for ((i = 1; i < 256; i++)); do printf '%b' "\\x$(printf %x "$i")"; done; echo x)
    all=${all%x}
    for ((i = 0; i < 2000; i++)); do words+=("$(printf %0100d "$i")"); done
    printf '%s\0' "$all" "" "${words[@]}" >wanted
    printf '%s\0' "$all" >>wanted
    LC_ALL=C ALL=$all runs 0 --env ALL "$kernel" -- sh -c 'printf "%s\0" "$@" "$ALL"' sh \
        "$all" "" "${words[@]}" </dev/null
    cmp wanted console
}

command_statuses() {
    local status
    warm "$kernel"
    for status in 1 34 125 255; do
        runs "$status" "$kernel" -- sh -c "exit $status" </dev/null
        silent
    done
    for status in 6 9 11; do
        runs $((128 + status)) "$kernel" -- sh -c "kill -$status \$\$" </dev/null
        silent
    done
    printf 'no interpreter\n' >text && chmod 755 text
    runs 126 "$kernel" -- ./text </dev/null
    says "./text: cannot be run in the guest: Exec format error (126)"
    runs 0 --summary told "$kernel" -- true </dev/null
    grep -q '"status_from": "command"' told || fail "the summary does not say whose status it is"
}

# CMD that ends more than itself.
command_kills() {
    warm "$kernel"
    runs 7 "$kernel" -- sh -c 'sleep 1000 & kill -9 -1; exit 7' </dev/null
    runs 125 "$kernel" -- sh -c 'echo out; busybox poweroff -f; sleep 100' </dev/null
    says "the guest powered off before sh ended"
    [ "$(cat console)" = out ] || fail "what was written before is lost"
    runs 32 "$kernel" -- sh -c 'busybox reboot -f; sleep 100' </dev/null
    says "the guest was reset before sh ended"
}

# Signals before CMD is there, and a second one.
command_signals() {
    local status=0
    warm "$kernel"
    "$linnet" run "${command_options[@]}" "$kernel" -- sleep 100 </dev/null >console 2>errors &
    vm=$!
    sleep 0.5
    kill -TERM "$vm"
    wait "$vm" || status=$?
    [ "$status" = 143 ] || fail "during boot: exit status $status"

    begun "$kernel" -- sh -c 'trap "" INT; echo ready; sleep 100; sleep 100'
    kill -INT "$vm"
    sleep 1
    kill -INT "$vm"
    ends_with 130

    begun "$kernel" -- sh -c 'trap "" TERM; echo ready; sleep 100; sleep 100'
    kill -TERM "$vm"
    ends_with 143
    begun "$kernel" -- sh -c 'trap "echo usr1; exit 3" USR1; echo ready; while :; do sleep 0.1; done'
    kill -USR1 "$vm"
    ends_with 3
    grep -q usr1 console
}

# On a terminal: the size and its changes, and a job in the background of the shell.
command_terminal() {
    local command
    warm "$kernel"
    mkfifo keys
    : >console
    trap 'cat console' EXIT # if something fails
    command=$(printf '%q ' "$linnet" run "${command_options[@]}" "$kernel" -- sh -c \
        'stty size; trap "stty size" WINCH; until read -r line; do :; done; stty size; echo "got $line"; tty')
    timeout "$boot_seconds_max" script -qefc \
        "stty rows 30 cols 91; stty -g >before; $command; echo \$? >status; stty -g >after" console \
        <keys >/dev/null &
    exec 3>keys
    wait_for "$boot_seconds_max" grep -q '30 91' console
    stty rows 40 cols 132 <"$(tty_of_linnet)"
    sleep 2
    echo word >&3
    wait_for "$boot_seconds_max" test -s status
    exec 3>&-
    wait
    trap - EXIT
    cat console
    [ "$(cat status)" = 0 ] || fail "exit status $(cat status)"
    grep -q '40 132' console || fail "the new size is not told"
    grep -q 'got word' console
    grep -q '/dev/pts/' console
    cmp before after || fail "the terminal is not as it was"
}
tty_of_linnet() {
    local pid
    pid=$(pgrep -n -x linnet)
    readlink "/proc/$pid/fd/0"
}

# In the background of a terminal: it neither stops nor touches it.
command_background() {
    local command
    warm "$kernel"
    command=$(printf '%q ' "$linnet" run "${command_options[@]}" "$kernel" -- echo "in the background")
    timeout "$boot_seconds_max" script -qec \
        "bash -i -c 'stty -g >before; $command & wait; echo \$? >status; stty -g >after'" console \
        </dev/null >/dev/null || true
    cat console
    [ "$(cat status)" = 0 ] || fail "exit status $(cat status)"
    grep -q 'in the background' console
    cmp before after || fail "the terminal is not as it was"
}

# A copy of the host's root, with a file of each kind changed, while the host replaces one.
command_root() {
    mkdir -p root/folder ro
    warm "$kernel"
    echo one >root/append && echo one >root/chmod && echo one >root/rename && echo one >root/replaced
    cp /bin/echo root/program
    echo original >ro/open
    : >console
    (wait_for "$boot_seconds_max" grep -q ready console && echo replacement >ro/new && mv ro/new ro/open) &
    runs 0 --ro ro:/mnt "$kernel" -- sh -e -c '
        cd root; echo two >>append; mkdir folder/new; chmod 700 chmod; mv rename renamed; rm replaced
        ./program ran; cat append; stat -c %a chmod; ls . folder; exec 3</mnt/open
        echo ready; sleep 3; cat <&3' </dev/null
    silent
    printf '%s\n' ran one two 700 .: append chmod folder program renamed "" folder: new ready original >wanted
    diff wanted console || fail "the guest sees something else"
    [ "$(cat root/append root/replaced root/rename)" = "one
one
one" ] || fail "the host's files were changed"
}

# Every kernel of Debian's; one without a module that is needed.
command_kernels() {
    local name from=$guests/$stock
    for name in "${command_kernels[@]}"; do
        warm "$guests/$name/vmlinuz"
        runs 3 --append "$words_7" "$guests/$name/vmlinuz" -- sh -c 'uname -r; cat; exit 3' <<<"of $name"
        silent
        [ "$(cat console)" = "$(cat "$guests/$name/version")
of $name" ] || fail "$name: $(cat console)"
    done
    mkdir -p less/kernel
    ln -s "$from"/modules/lib/modules/*/kernel/* less/kernel
    grep -v '/overlay\.ko' "$(echo "$from"/modules/lib/modules/*/modules.order)" >less/modules.order
    cp "$from"/modules/lib/modules/*/modules.builtin less
    runs 125 --modules less "$kernel" -- true </dev/null
    says "the guest cannot run true: the kernel has no overlay, nor is there a module of it: set it in its configuration, or --root none"
}
case $arch in
arm64) command_kernels=(7-arm64 7-cloud-arm64 6.12-arm64 6.12-cloud-arm64 6.1-arm64 6.1-cloud-arm64) ;;
*) command_kernels=(7-amd64 7-cloud-amd64 6.12-amd64 6.12-cloud-amd64 6.1-amd64 6.1-cloud-amd64) ;;
esac
command_soak_prepare() {
    local name
    for name in "${command_kernels[@]}"; do "$top/guests/fetch.sh" "$name"; done
}

# A real Debian is the root, with its systemd and without; the image is as before.
command_debian() {
    warm "$kernel" "$debian/root.img"
    md5sum "$debian/root.img" >sum
    export TMPDIR=$PWD
    runs 1 --root disk --disk "path=$debian/root.img,overlay" --systemd --boot-limit 10m "$kernel" -- \
        sh -c 'systemctl is-system-running --wait; cat /proc/1/comm; findmnt -n -o SOURCE,FSTYPE /; cat >/new; cat /new; exit 1' <<<text
    silent
    printf '%s\n' running systemd "/dev/vda ext4" text >wanted
    diff wanted console || fail "not the Debian"
    runs 2 --root disk --disk "path=$debian/root.img,ro" "$kernel" -- \
        sh -c 'cat /etc/hostname; cat /proc/1/comm; touch /x; echo $?; exit 2' </dev/null
    printf '%s\n' guest init 1 >wanted
    diff wanted console || fail "not the Debian, or it was written"
    grep -q 'Read-only file system' errors
    md5sum -c sum || fail "the image was written"
}

# Whenever linnet is killed, nothing of it stays: no process, no socket, no file.
command_killed() {
    local i before
    warm "$kernel"
    mkdir tmp rw
    export TMPDIR=$PWD/tmp
    before=$(pgrep -c -x linnet || true)
    for ((i = 1; i <= ${KILLS:-20}; i++)); do
        "$linnet" run "${command_options[@]}" --rw rw --net socket,path="$TMPDIR/lan" \
            --snd host=null "$kernel" -- yes </dev/null >/dev/null 2>errors &
        vm=$!
        sleep "$((RANDOM % 6)).$((RANDOM % 900 + 100))"
        kill -KILL "$vm"
        wait "$vm" || true # of the signal
        wait_for "$boot_seconds_max" none_left "$before"
        [ -z "$(find rw -type f)" ] || fail "kill $i: left in --rw: $(ls rw)"
        [ -z "$(find tmp -mindepth 1 ! -name lan ! -name 'lan.*')" ] || fail "kill $i: left: $(ls -l tmp)"
    done
}
none_left() {
    [ "$(pgrep -c -x linnet || true)" = "$1" ]
}

soak_case counting command-statuses command_statuses
soak_case counting command-words command_words
soak_case counting command-no-streams command_no_streams
soak_case counting command-kills command_kills
soak_case counting command-signals command_signals x86_64
soak_case counting command-terminal command_terminal x86_64
soak_case counting command-background command_background x86_64
soak_case counting command-root command_root x86_64
soak_case counting command-kernels command_kernels
soak_case counting command-streams command_streams x86_64
soak_case counting command-debian command_debian x86_64
soak_case counting command-killed command_killed x86_64
soak_case smp command-closed-input command_closed_input x86_64

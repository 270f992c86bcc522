# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# For tests/bench/run.sh to source: start, memory and boot. A kernel that linnet has kept from the
# run before lies in $work/kept.

# What QEMU loads for the outer machine, and what it writes there, see strings.c.
plugin=() strings=$made/out/strings

boot_prepare() {
    [ "$arch" = x86_64 ] || return 0
    gcc -O2 -I"$top" -shared -fPIC -fvisibility=hidden -o "$made/strings.so" "$here/strings.c"
    gcc -nostdlib -static -no-pie -Wl,-Ttext=0x7a001000 -o "$made/marked" "$here/marked.c" # marked.h
    plugin=(--plugin "$made/strings.so,out=$strings")
}

# start: runs a guest without an init, which ends in a panic that stays there. What linnet needed
# until the first guest instruction is left in $ns: its main thread made all, and then sleeps.
start() {
    background --kvm any --rng --snd host=null --kernel-cache "dir:$work/kept" --append quiet
    sleep 1
    read -r ns _ <"/proc/$pid/task/$pid/schedstat"
}

# From exec to the first guest instruction, whoever runs meanwhile, with a kernel that was kept. By a
# count of QEMU's: the thread's clock misses a quarter of what the host's kernel takes for huge pages.
start_rows() {
    local all iterations never
    start
    end_background # the kernel is kept
    rm -f "$strings"
    exec {never}<> <(:) # to wait by, without a program: that would be counted
    "$made/marked" "$linnet" run "${mem[@]}" --rng --snd host=null --kernel-cache "dir:$work/kept" \
        --append quiet "$guest/vmlinuz" </dev/null >console &
    pid=$!
    read -r -t 5 -u "$never" _ || true
    exec {never}>&-
    [ -s "$strings" ] || fail "bench: no guest was entered"
    kill "$pid" 2>/dev/null || true # or its guest has panicked meanwhile
    wait "$pid" || true
    read -r all iterations <"$strings"
    echo "start.until_guest $((all / 1000000)) Minstr"
    echo "start.of_that_string_iterations $((iterations / 1000000)) Minstr"
}

# On this machine, whatever its KVM is: the start, and the memory that linnet has beyond the guest's.
host_rows() {
    if [ "$arch" != "$host" ]; then
        echo "bench: no start.cpu_* and memory.* rows: this is no $arch host" >&2
        return
    elif [ ! -w /dev/kvm ]; then
        echo "bench: no start.cpu_* and memory.* rows: no /dev/kvm to write to" >&2
        return
    fi
    start
    end_background
    echo "start.cpu_until_guest_first $((ns / 1000)) us"
    start
    echo "start.cpu_until_guest $((ns / 1000)) us"
    awk '/^[0-9a-f]+-[0-9a-f]+ / { ram = /memfd:linnet-ram/ }
        /^Pss:/ && !ram { pss += $2 }
        /^Private_(Clean|Dirty):/ && !ram { own += $2 }
        END { print "memory.beyond_guest " pss " KiB"; print "memory.own_pages " own " KiB" }' \
        "/proc/$pid/smaps"
    end_background
}

# boot NAME STATUS COMMAND...: from exec to the end of a guest whose init reboots at once. The CPU
# time of all threads, with what their vCPUs ran, is left in $ms: of a million instructions each.
boot() {
    local name=$1 want=$2 status=0 TIMEFORMAT='%3U %3S'
    shift 2
    { time timeout --foreground 600 "$@" </dev/null >console 2>errors; } 2>used || status=$?
    if [ "$status" != "$want" ] || ! grep -q '^bench: init' console; then
        echo "bench: $name: status $status: $(tail -n 1 console errors)" >&2
        return 1
    fi
    ms=$(awk '{ printf "%.0f", 1000 * ($1 + $2) }' used)
}

# boot_row NAME STATUS BEFORE COMMAND...: the first boot brings what is read into the page cache. Of
# the next two, the lesser counts: what disturbs a count only adds to it. BEFORE runs before each.
boot_row() {
    local name=$1 want=$2 before=$3 least=''
    shift 3
    boot "$name" "$want" "$@"
    for _ in 1 2; do
        $before
        boot "$name" "$want" "$@"
        [ "${least:-$ms}" -lt "$ms" ] || least=$ms
    done
    echo "boot.$name $least Minstr"
}

boot_rows_arm64() {
    local run=("$linnet" run "${mem[@]}" --initrd "$made/init.cpio" --append quiet)
    # shellcheck disable=SC2054 # the commas are an argument of QEMU
    local qemu=(qemu-system-aarch64 -M virt,gic-version=3 -accel kvm -cpu host -m "${mem[1]}"
        -nodefaults -no-user-config -display none -no-reboot -serial stdio
        -initrd "$made/init.cpio" -append "console=ttyAMA0 quiet")
    boot_row linnet.image 32 : "${run[@]}" "$guest/vmlinuz"
    boot_row qemu.image 0 : "${qemu[@]}" -kernel "$guest/vmlinuz"
}

boot_rows() {
    if [ "$arch" = arm64 ]; then
        boot_rows_arm64
        return
    fi
    local run=("$linnet" run "${mem[@]}" --initrd "$made/init.cpio" --append quiet
        --kernel-cache "dir:$work/kept")
    local command=("$linnet" run --kernel-cache "dir:$work/kept" "$guest/vmlinuz" --
        echo "bench: init")
    # shellcheck disable=SC2054 # the commas are an argument of QEMU
    local qemu=(qemu-system-x86_64 -M "microvm,acpi=off,pit=off,pic=off,rtc=off" -accel kvm
        -cpu host -m "${mem[1]}" -nodefaults -no-user-config -display none -no-reboot
        -serial stdio -initrd "$made/init.cpio" -append "console=ttyS0 quiet reboot=t")
    boot_row linnet.bzimage 32 : "${run[@]}" "$guest/vmlinuz"
    boot_row linnet.bzimage_first 32 "rm -r $work/kept" "${run[@]}" "$guest/vmlinuz"
    start_rows
    boot_row linnet.command 0 : "${command[@]}"
    boot_row linnet.command_mmio 0 : "$linnet" run --transport mmio "${command[@]:2}"
    boot_row linnet.vmlinux 32 : "${run[@]}" "$guest/vmlinux"
    boot_row qemu_lean.bzimage 0 : "${qemu[@]}" -kernel "$guest/vmlinuz"
}

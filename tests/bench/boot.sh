# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# For tests/bench/run.sh to source: start, memory and boot.

# On this machine, whatever its KVM is: what linnet needs until the first guest instruction (then
# its main thread sleeps), and the memory it has beyond the guest's.
host_rows() {
    if [ "$arch" != "$host" ]; then
        echo "bench: no start.* and memory.* rows: this is no $arch host" >&2
        return
    elif [ ! -w /dev/kvm ]; then
        echo "bench: no start.* and memory.* rows: no /dev/kvm to write to" >&2
        return
    fi
    background --kvm any --initrd "$made/init.cpio" --rng --snd host=null
    sleep 1
    echo "start.cpu_until_guest $(($(threads_ns "$pid" '!(vcpu*)') / 1000)) us"
    awk '/^[0-9a-f]+-[0-9a-f]+ / { ram = /memfd:/ }
        /^Pss:/ && !ram { pss += $2 }
        /^Private_(Clean|Dirty):/ && !ram { own += $2 }
        END { print "memory.beyond_guest " pss " KiB"; print "memory.own_pages " own " KiB" }' \
        "/proc/$pid/smaps"
    end_background
}

# boot_row NAME STATUS COMMAND...: from exec to the end of a guest whose init reboots at once, all
# threads of the process and what its vCPUs ran.
boot_row() {
    local name=$1 want=$2 turn status ms TIMEFORMAT='%3U %3S'
    shift 2
    for turn in cold warm; do
        status=0
        { time timeout --foreground 60 "$@" </dev/null >"$turn" 2>errors; } 2>used || status=$?
        if [ "$status" != "$want" ] || ! grep -q '^bench: init' "$turn"; then
            echo "bench: $name: status $status: $(tail -n 1 "$turn" errors)" >&2
            return 1
        fi
    done
    ms=$(awk '{ printf "%.0f", 1000 * ($1 + $2) }' used)
    echo "boot.$name $ms Minstr" # 1 ms is a million instructions
}

boot_rows_arm64() {
    local run=("$linnet" run "${mem[@]}" --initrd "$made/init.cpio" --append quiet)
    # shellcheck disable=SC2054 # the commas are an argument of QEMU
    local qemu=(qemu-system-aarch64 -M virt,gic-version=3 -accel kvm -cpu host -m "${mem[1]}"
        -nodefaults -no-user-config -display none -no-reboot -serial stdio
        -initrd "$made/init.cpio" -append "console=ttyAMA0 quiet")
    boot_row linnet.image 32 "${run[@]}" "$guest/vmlinuz"
    boot_row qemu.image 0 "${qemu[@]}" -kernel "$guest/vmlinuz"
}

boot_rows() {
    if [ "$arch" = arm64 ]; then
        boot_rows_arm64
        return
    fi
    local run=("$linnet" run "${mem[@]}" --initrd "$made/init.cpio" --append quiet)
    # shellcheck disable=SC2054 # the commas are an argument of QEMU
    local qemu=(qemu-system-x86_64 -M "microvm,acpi=off,pit=off,pic=off,rtc=off" -accel kvm
        -cpu host -m "${mem[1]}" -nodefaults -no-user-config -display none -no-reboot
        -serial stdio -initrd "$made/init.cpio" -append "console=ttyS0 quiet reboot=t")
    boot_row linnet.bzimage 32 "${run[@]}" "$guest/vmlinuz"
    boot_row linnet.vmlinux 32 "${run[@]}" "$guest/vmlinux"
    boot_row qemu_lean.bzimage 0 "${qemu[@]}" -kernel "$guest/vmlinuz"
}

#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Boots stock kernels under linnet and looks at what becomes of them: on this machine where its KVM
# can run them, else in the rig (tests/rig).
#
#   tests/boot/run.sh [CASE...]               all cases, or those whose name matches a pattern
#   TRANSPORT=pci tests/boot/run.sh [CASE...]   the same, with all devices on PCI; or over mmio
#   KERNEL=7-amd64 tests/boot/run.sh [CASE...]   the same, with another kernel in the place of Debian's 6.12
#   tests/boot/run.sh --here MACHINE [CASE...]  on this machine, the cases that want MACHINE
#
# In steps, for tests/check.sh, which has other things to do at the same time:
#
#   tests/boot/run.sh --prepare       makes what the guests need
#   tests/boot/run.sh --parts         a word for each part that the cases are dealt out to
#   tests/boot/run.sh --part WORD     runs the cases of a part
#   tests/boot/run.sh --judge         what the parts left to be judged
#
# A file here holds the cases of a theme. They run one after the other, each in a folder of its own.
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=kernels.sh
. "$top/tests/boot/kernels.sh"
# shellcheck source=kernels-arm64.sh
. "$top/tests/boot/kernels-arm64.sh"
# shellcheck source=ends.sh
. "$top/tests/boot/ends.sh"
# shellcheck source=machine.sh
. "$top/tests/boot/machine.sh"
# shellcheck source=memory.sh
. "$top/tests/boot/memory.sh"
# shellcheck source=pci.sh
. "$top/tests/boot/pci.sh"
# shellcheck source=grid.sh
. "$top/tests/boot/grid.sh"
# shellcheck source=sound.sh
. "$top/tests/boot/sound.sh"
# shellcheck source=pause.sh
. "$top/tests/boot/pause.sh"
# shellcheck source=controls.sh
. "$top/tests/boot/controls.sh"
# shellcheck source=streams.sh
. "$top/tests/boot/streams.sh"
# shellcheck source=load.sh
. "$top/tests/boot/load.sh"
# shellcheck source=net.sh
. "$top/tests/boot/net.sh"
# shellcheck source=net_soak.sh
. "$top/tests/boot/net_soak.sh"
# shellcheck source=disk.sh
. "$top/tests/boot/disk.sh"
# shellcheck source=share.sh
. "$top/tests/boot/share.sh"
# shellcheck source=share_soak.sh
. "$top/tests/boot/share_soak.sh"
# shellcheck source=input.sh
. "$top/tests/boot/input.sh"
# shellcheck source=console.sh
. "$top/tests/boot/console.sh"
# shellcheck source=vhost_user.sh
. "$top/tests/boot/vhost_user.sh"
# shellcheck source=disk_soak.sh
. "$top/tests/boot/disk_soak.sh"
# shellcheck source=run_command.sh
. "$top/tests/boot/run_command.sh"
# shellcheck source=vsock.sh
. "$top/tests/boot/vsock.sh"
# shellcheck source=command_soak.sh
. "$top/tests/boot/command_soak.sh"
# shellcheck source=left.sh
. "$top/tests/boot/left.sh"
# shellcheck source=outside.sh
. "$top/tests/boot/outside.sh"
# shellcheck source=peers.sh
. "$top/tests/boot/peers.sh"

machines=(smp counting)
[ "$arch" != arm64 ] || machines+=(gicv2)
# The time limits are for a machine that is slow: one that hangs is seen by its clock.
# shellcheck disable=SC2034 # by reference
rig_options_counting=(--counting --timeout 7200)
# shellcheck disable=SC2034
rig_options_smp=(--counting --cpus 2 --mem 8192 --timeout 7200)
# shellcheck disable=SC2034 # the interrupt controller that the outer machine has, and so its guests
rig_options_gicv2=(--counting --gic 2 --timeout 7200)
# Outer machines that share its cases, each of which takes a minute to come up.
declare -A rigs=([counting]=2 [smp]=1 [gicv2]=1)
[ "$arch" = "$host" ] || rigs[counting]=1
rig_hung=123 # its status when the outer machine hangs

# wanted INDEX: is this case one of those asked for?
wanted() {
    local pattern
    [ ${#patterns[@]} != 0 ] || return 0
    for pattern in "${patterns[@]}"; do
        # shellcheck disable=SC2053 # a pattern
        [[ ${case_names[$1]#"$theme/"} == $pattern ]] && return 0
    done
    return 1
}

# cases MACHINE: indices of the cases to run there.
cases() {
    local i
    for i in "${!case_names[@]}"; do
        [ "${case_machines[i]}" != "$1" ] || ! wanted "$i" || echo "$i"
    done
}

# in_folder CASE FUNCTION
in_folder() {
    local work transport=${TRANSPORT-}
    [[ " ${on_pci[*]} " != *" $1 "* ]] || transport=${TRANSPORT:-pci}
    work=$(mktemp -d)
    [ -z "$transport" ] || behind "$transport" "$work.linnet"
    cd "$work" || exit
    "$2"
    rm -rf "$work" "$work.linnet"
}

# run_here MACHINE: on this very machine.
run_here() {
    local i
    for i in $(cases "$1"); do
        run_case "${case_names[i]}" in_folder "${case_names[i]#"$theme/"}" "${case_functions[i]}"
    done
}

# run_rig MACHINE PART PARTS: in the rig, every PARTS-th of its cases; one that told no result is a
# failure. Should the outer machine itself hang (which is seen by its clock, and never by what a case
# does), the rest is run in a new one.
run_rig() {
    local out=$logs/$theme-$1-$2 i=0 index part=() left status
    # shellcheck disable=SC2178 # another file has an array of that name
    local -n options=rig_options_$1
    for index in $(cases "$1"); do
        [ $((i++ % $3)) != "$2" ] || part+=("${case_names[index]#"$theme/"}")
    done
    mkdir -p "$out"
    in_rig "$1" "$out" "${part[@]}"
    mapfile -t left < <(without_result "$out/results" "${part[@]}")
    if [ "$status" = "$rig_hung" ] && [ ${#left[@]} != 0 ]; then
        in_rig "$1" "$out" "${left[@]}"
        mapfile -t left < <(without_result "$out/results" "${part[@]}")
    fi
    for i in "${left[@]}"; do
        failed "$theme/$i" "no result, rig status $status: $(last_line "$out/rig.log"), see ${out#"$top"/}/rig.log"
    done
    ! grep -q '^FAILED ' "$out/results" || failures=$((failures + 1))
}

# in_rig MACHINE OUT CASE...: sets the rig's status. In "times" is how long each case took, as a clock on the
# wall has it; of the first one, with the machine's start.
in_rig() {
    LOGS=$2 "$top/tests/rig/rig.sh" --arch "$arch" "${options[@]}" --out "$2" -- \
        "$top/tests/boot/run.sh" --here "$1" "${@:3}" 2>>"$2/rig.log" | tee -a "$2/results" | with_times "$2/times"
    status=${PIPESTATUS[0]}
}

# with_times FILE: passes lines on.
with_times() {
    local line before=$SECONDS
    while read -r line; do
        echo "$line"
        echo "$((SECONDS - before)) s $line" >>"$1"
        before=$SECONDS
    done
}

# without_result RESULTS CASE...
without_result() {
    local name
    for name in "${@:2}"; do
        grep -qE "^(ok|SKIP|FAILED) $theme/$name(:|\$)" "$1" || echo "$name"
    done
}

# parts: of "MACHINE", on this very one; of "MACHINE.PART.PARTS", in the rig.
parts() {
    local machine part count
    for machine in "${machines[@]}"; do
        count=$(cases "$machine" | wc -l)
        if [ -n "$real" ]; then
            [ "$count" = 0 ] || echo "$machine"
            continue
        fi
        [ "$count" -lt "${rigs[$machine]}" ] || count=${rigs[$machine]}
        for ((part = 0; part < count; part++)); do
            echo "$machine.$part.$count"
        done
    done
}

# run_part WORD
run_part() {
    local words
    IFS=. read -ra words <<<"$1"
    if [ ${#words[@]} = 1 ]; then
        run_here "$1"
        return
    fi
    run_rig "${words[@]}"
}

# run_parts: all of them, as many at once as there are processors.
run_parts() {
    local part running=0
    for part in $(parts); do
        [ "$running" -lt "$(nproc)" ] || wait_part
        (run_part "$part"; finish) &
        running=$((running + 1))
    done
    while [ "$running" -gt 0 ]; do wait_part; done
}

wait_part() {
    wait -n || failures=$((failures + 1))
    running=$((running - 1))
}

# What the recordings of grid-play hold, wherever that ran.
judge() {
    local takes
    takes=$(find "$logs" -path "*/$theme/takes")
    [ -z "$takes" ] || grid_judge "$takes"
}

# The stock kernel without the notes that say it is Linux, which leaves the way in by PVH.
make_vmlinux_pvh() {
    local elf=$guests/$stock/vmlinux out=$made/vmlinux-pvh at size
    cp "$elf" "$out"
    read -r at size < <(readelf -lW "$elf" | awk '$1 == "NOTE" { print $2, $5 }')
    dd if="$elf" iflag=skip_bytes,count_bytes skip="$((at))" count="$((size))" status=none |
        LC_ALL=C sed 's/Linux/linux/g' |
        dd of="$out" bs=64K seek="$((at))" oflag=seek_bytes conv=notrunc status=none
}

prepare() {
    local kernel kernels=("$stock")
    [ "$arch" != x86_64 ] || kernels+=(6.12-cloud-amd64 6.1-cloud-amd64)
    mkdir -p "$made"
    echo '/dts-v1/; /plugin/; &{/} { extra { compatible = "linnet,extra"; }; };' |
        dtc -q -@ -I dts -O dtb -o "$made/extra.dtbo" -
    for kernel in "${kernels[@]}"; do
        "$top/guests/fetch.sh" "$kernel"
        "$top/guests/mkinitramfs.sh" "$kernel" "$made/$kernel.boot" boot
    done
    "$top/guests/mkinitramfs.sh" "$stock" "$made/$stock.sound"
    newest_prepare
    disk_prepare
    net_prepare
    share_prepare
    pci_prepare
    input_prepare
    vsock_prepare
    vhost_user_prepare
    if [ -n "${SOAK-}" ]; then soak_prepare; fi
    case $arch in
    arm64) make_packed ;;
    *)
        make_vmlinux_pvh
        make -s -C "$top" build/guests/hostile.elf
        outside_prepare
        ;;
    esac
    grid_prepare
}

# What the long cases need besides.
soak_prepare() {
    [ "$arch" = arm64 ] || { "$top/guests/mkroot.sh" && peers_prepare; }
    command_soak_prepare
}

# Old results go. Then what all parts need.
begin() {
    local machine
    rm -rf "${logs:?}/$theme"
    for machine in "${machines[@]}"; do rm -rf "${logs:?}/$theme-$machine"-*; done
    run_case "$theme/prepare" prepare
    [ "$case_status" = 0 ] || finish
}

# On another host's architecture a few cases stand for all, unless some are named.
few() {
    local i others=()
    [ "$arch $host ${#patterns[@]}" = "arm64 x86_64 0" ] && [ -z "${ALL_CASES-}" ] || return 0
    patterns=("${arm64_few[@]}")
    [ "${1-}" = tell ] || return 0
    for i in "${!case_names[@]}"; do
        wanted "$i" || others+=("${case_names[i]#"$theme/"}")
    done
    skipped "$theme" "slow in an emulated machine, for ALL_CASES=1: ${others[*]}"
}

real= # this machine's KVM can run them
if [ "$arch" = "$host" ] && "$linnet" doctor --kvm >/dev/null 2>&1; then real=yes; fi
patterns=()
case ${1-} in
--here)
    patterns=("${@:3}")
    run_here "$2"
    ;;
--prepare)
    few tell
    begin
    ;;
--parts)
    few
    parts
    ;;
--part)
    few
    run_part "$2"
    ;;
--judge) judge ;;
*)
    patterns=("$@")
    for pattern in "${patterns[@]}"; do
        [[ " ${case_names[*]#"$theme/"} " == *\ $pattern\ * ]] ||
            { echo "run.sh: no case is named $pattern" >&2 && exit 1; }
    done
    few tell
    begin
    [ -n "$real" ] || echo "this machine's KVM can't run a stock kernel: the same in the rig" >&2
    run_parts
    judge
    ;;
esac
finish

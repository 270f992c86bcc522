# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# For the files of cases to source: boots a guest and looks at what became of it.
# shellcheck source=../lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

guests=$top/build/guests
case $arch in
arm64) stock=${KERNEL:-6.12-arm64} theme=boot-arm64 ;;
*) stock=${KERNEL:-6.12-amd64} theme=boot ;;
esac
made=$top/build/$theme # initramfs, kernels and sounds that tests/boot/run.sh made
# The clock of a counting machine runs ahead while it waits for the host's files, the more the busier the host is.
boot_seconds_max=1200
[ "$arch" != arm64 ] || boot_seconds_max=3600

# Cases in the order of running: name, where (see boot_case), function.
case_names=() case_machines=() case_functions=()

# boot_case MACHINE NAME FUNCTION [ARCH]: a case of every architecture, or of that. Without hardware
# KVM a case runs in the rig, in an outer machine of one of two kinds, whose clock counts instructions and
# skips idle time, so that a busy host is no slower in it: "counting" has one CPU; "smp" has two, which
# take turns, and more memory.
boot_case() {
    [ -n "${SOAK-}" ] || add_case "$@"
}

# soak_case MACHINE NAME FUNCTION [ARCH]: a long one, for tests/soak.sh alone.
soak_case() {
    [ -z "${SOAK-}" ] || add_case "$@"
}

add_case() {
    [ "${4-$arch}" = "$arch" ] || return 0
    case_machines+=("$1")
    case_names+=("$theme/$2")
    case_functions+=("$3")
}

# For the command line of a kernel 7. The rig's QEMU 7.2 does not let KVM know of XSETBV, so the guest is told of
# an area for XSAVE that is too small. Older kernels go on without it; these die of that.
words_7=
! grep -q '^model name.*QEMU TCG' /proc/cpuinfo || words_7='noxsave '

# job NAME [ARG...]: what to --append for the guest to do it. The kernel is told not to test its ciphers, which
# is half of what a boot takes.
job() {
    [[ $stock != 7* ]] || printf %s "$words_7"
    printf 'quiet cryptomgr.notests=1 linnet.job=%s' "$1"
    shift
    [ $# = 0 ] || printf ' linnet.arg=%s' "$@"
}

# Cases whose devices are on PCI, where the others have them over mmio. With TRANSPORT=mmio or pci in the
# environment all have it so.
on_pci=(balloon console-6.12 controls disk host-mixer input-pmem loopback net-hub net-tap pause-two-cpus
    rebind record-file share-6.1 suspend vsock)

# behind TRANSPORT FILE: makes it the program whose machines have their devices there, unless an option says
# otherwise.
behind() {
    cat >"$2" <<SCRIPT
#!/bin/sh
[ "\$1" != run ] || { shift && set -- run --transport $1 "\$@"; }
exec "$linnet" "\$@"
SCRIPT
    chmod +x "$2"
    program=$linnet
    export linnet=$2 LINNET=$2
}

# warm WORD...: reads those that name files, and the program with its libraries. A counting machine's
# clock runs ahead while it waits for the host's files, and with it every time limit.
warm() {
    local word files=()
    for word in "$linnet" $(LD_TRACE_LOADED_OBJECTS=1 "${program:-$linnet}" | grep -o '/[^ ]*') "$@"; do
        word=${word##*=}
        [ ! -f "$word" ] || files+=("$word")
    done
    cat "${files[@]}" >/dev/null
}

# warm_programs NAME...: the same for others, with their libraries.
warm_programs() {
    local name path
    for name; do
        path=$(command -v "$name") || fail "$name is missing: run tests/deps.sh"
        ! grep -q ld-linux "$path" || LD_TRACE_LOADED_OBJECTS=1 "$path" | grep -o '/[^ ]*' | xargs cat >/dev/null
        cat "$path"* >/dev/null
    done
}

# boot STATUS OPTION...: runs linnet in the current folder. Its exit status must be STATUS, and it
# must have had no more to say than that needs: nothing if the guest ended by itself, one line if
# something is wrong, registers behind it if the guest crashed or its time was up. What the guest wrote
# is left in "console", what linnet said in "errors".
boot() {
    local want=$1 status=0 lines
    shift
    warm "$@"
    echo "+ linnet run $*"
    timeout --kill-after 5 "$boot_seconds_max" "$linnet" run "$@" </dev/null >console 2>errors ||
        status=$?
    cat console errors
    [ "$status" = "$want" ] || fail "exit status $status, not $want"
    lines=$(wc -l <errors)
    case $want in
    0 | 32 | 34) [ "$lines" = 0 ] || fail "linnet had something to say: $(head -n 1 errors)" ;;
    33 | 36 | 37) [ "$lines" -gt 1 ] || fail "no registers were told" ;;
    *) [ "$lines" = 1 ] || fail "not one line" ;;
    esac
}

# done_job NAME: the guest says that its job went well.
done_job() {
    grep -q "^linnet-job: $1 ok" console || fail "the guest did not do its job \"$1\""
}

# ends_well PID NAME [STATUS]: that machine ends with STATUS (0), and its job went well.
ends_well() {
    local status=0
    wait "$1" || status=$?
    cat console errors
    [ "$status" = "${3-0}" ] || fail "exit status $status, not ${3-0}"
    done_job "$2"
}

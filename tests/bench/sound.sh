# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# For tests/bench/run.sh to source: what sound costs linnet and, where there is one that has a
# virtio-snd device, QEMU: 48 kHz, stereo, S16, periods of 10 ms, a tone that goes on for ever.
#
# The vCPU's thread runs the guest, too. How long that took is known from the kernel's trace of
# every VM entry and exit, in a second window, so that tracing is in no figure of the first.

sound_guest=(--initrd "$made/sound.cpio")
tracing=/sys/kernel/tracing

sound_prepare() {
    ARCH=$arch "$here/qemu_sound.sh" >"$made/qemu_sound"
}

# play_linnet SND [OPTION...]: runs linnet, its process id in $pid.
play_linnet() {
    background "${sound_guest[@]}" --append "quiet linnet.job=drone" --snd "$@"
}

# play_qemu TRANSPORT [OPTION...]: the same guest under the QEMU that qemu_sound.sh found, with its own sound
# card or what the options say.
play_qemu() {
    local qemu_sound machine tty device=virtio-sound-device card=("${@:2}")
    qemu_sound=$(cat "$made/qemu_sound")
    case $arch in
    arm64) machine=virt,gic-version=3 tty=ttyAMA0 ;;
    *) machine=microvm,acpi=on,pit=off,pic=off,rtc=off tty=ttyS0 ;;
    esac
    if [ "$1" = pci ]; then
        device=virtio-sound-pci
        [ "$arch" = arm64 ] || machine+=,pcie=on
    fi
    [ ${#card[@]} != 0 ] || card=(-audiodev 'wav,id=wav,path=sound.wav,out.frequency=48000'
        -device "$device,audiodev=wav")
    # shellcheck disable=SC2054 # the commas are an argument of QEMU
    local options=(-M "$machine" -accel kvm -cpu host
        -name sound,debug-threads=on -m "${mem[1]}" -nodefaults -no-user-config -display none
        -no-reboot -serial stdio -global virtio-mmio.force-legacy=false "${card[@]}")
    "$qemu_sound" "${options[@]}" -kernel "$guest/vmlinuz" -initrd "$made/sound.cpio" \
        -append "console=$tty quiet linnet.job=drone" </dev/null >console 2>errors &
    pid=$!
}

# play_device TRANSPORT: the same QEMU with our card, a process of its own, in $beside.
play_device() {
    local device=vhost-user-snd
    [ "$1" = mmio ] || device=vhost-user-snd-pci
    rm -f snd.sock
    "$linnet" device snd --socket-path snd.sock host=file,path=sound.wav &
    beside=$!
    wait_for 60 test -S snd.sock
    play_qemu "$1" -object "memory-backend-memfd,id=ram,size=${mem[1]}M,share=on" -machine memory-backend=ram \
        -chardev socket,id=snd,path=snd.sock -device "$device,chardev=snd"
}

# end_device: that process, too.
end_device() {
    kill "$beside"
    wait "$beside"
    beside=
}

# played SECONDS: has the recording so much?
played() {
    [ -e sound.wav ] && [ "$(stat -c %s sound.wav)" -ge $(($1 * 192000)) ]
}

# kvm_stat NAME: of the VM of $pid.
kvm_stat() {
    local file value
    for file in /sys/kernel/debug/kvm/"$pid"-*/"$1"; do
        read -r value <"$file" || return
        echo "$value"
    done
}

# mmio_exits: those to the program; arm64 has a name of its own for them.
mmio_exits() {
    kvm_stat mmio_exits 2>/dev/null || kvm_stat mmio_exit_user
}

beside= # a process that works for that of $pid; empty: none

# switches: how often the threads of $pid, and of the one beside it, gave up or lost the CPU.
switches() {
    local file sum=0 key value
    for file in "/proc/$pid"/task/*/status ${beside:+"/proc/$beside"/task/*/status}; do
        while read -r key value; do
            case $key in *_ctxt_switches:) sum=$((sum + value)) ;; esac
        done <"$file"
    done
    echo "$sum"
}

# kernel_ns: how long the kernel's own workers have run; an irqfd would have them deliver interrupts.
kernel_ns() {
    local task sum=0 name ns _
    for task in /proc/[0-9]*; do
        read -r name <"$task/comm" || continue
        [[ $name == kworker* ]] || continue
        read -r ns _ <"$task/schedstat" || continue
        sum=$((sum + ns))
    done 2>/dev/null # those that are gone
    echo "$sum"
}

# now_us: of the outer machine's clock.
now_us() {
    echo "${EPOCHREALTIME/[.,]/}"
}

# look NAME: takes what is counted of $pid into the array NAME.
look() {
    local -n seen=$1
    local ours=0
    [ -z "$beside" ] || ours=$(threads_ns "$beside" '*')
    # shellcheck disable=SC2034 # by reference
    seen=([us]=$(now_us) [exits]=$(kvm_stat exits) [mmio]=$(mmio_exits)
        [vcpu]=$(threads_ns "$pid" "$vcpu") [beside]=$ours
        [rest]=$(($(threads_ns "$pid" "!($vcpu)") + ours))
        [switches]=$(switches) [kernel]=$(kernel_ns))
}

# guest_ns: for how long the guest of the trace ran, and the seconds that the trace spans.
guest_ns() {
    awk '{ for (i = 1; i < NF && $i !~ /^[0-9]+\.[0-9]+:$/; i++); at = $i + 0 }
        !first { first = at }
        $(i + 1) == "kvm_entry:" { entered = at }
        $(i + 1) == "kvm_exit:" && entered { sum += at - entered; entered = 0 }
        END { printf "%.0f %.6f\n", sum * 1e9, at - first }'
}

trace_begin() {
    [ -e "$tracing/trace" ] || busybox mount -t tracefs tracefs "$tracing"
    echo mono >"$tracing/trace_clock"
    echo 16384 >"$tracing/buffer_size_kb"
    echo 'kvm:kvm_entry kvm:kvm_exit' >"$tracing/set_event"
}

trace_end() {
    echo >"$tracing/set_event"
}

# guest_kinstr: what the guest of $pid does in a second.
guest_kinstr() {
    local ns span
    trace_begin
    sleep 5
    trace_end
    read -r ns span < <(grep -v '^#' "$tracing/trace" | guest_ns)
    [ "$ns" != 0 ] || fail "bench: the trace of VM entries and exits is empty"
    awk -v ns="$ns" -v span="$span" 'BEGIN { printf "%.0f\n", ns / span / 1000 }'
}

# per_second NAME [DIVISOR]: how much a count grew in a second.
per_second() {
    awk -v grown=$((after[$1] - before[$1])) -v us=$((after[us] - before[us])) -v by="${2-1}" \
        'BEGIN { printf "%.0f\n", grown / by * 1e6 / us }'
}

# cost_rows NAME VCPU: rows of the process $pid that plays, whose vCPU's thread has that name.
cost_rows() {
    local name=$1 vcpu=$2 guest_part vcpu_part rest_part kernel_part
    local -A before after
    wait_for 600 played 1
    look before
    sleep 10
    look after
    guest_part=$(guest_kinstr)
    vcpu_part=$(per_second vcpu 1000) rest_part=$(per_second rest 1000)
    kernel_part=$(per_second kernel 1000)
    echo "sound.$name.vm_exits $(per_second exits) 1/s"
    echo "sound.$name.mmio_exits $(per_second mmio) 1/s"
    echo "sound.$name.context_switches $(per_second switches) 1/s"
    echo "sound.$name.guest $guest_part kinstr/s"
    echo "sound.$name.vcpu_on_host $((vcpu_part - guest_part)) kinstr/s"
    echo "sound.$name.other_threads $rest_part kinstr/s"
    [ -z "$beside" ] || echo "sound.$name.device_process $(per_second beside 1000) kinstr/s"
    echo "sound.$name.kernel_workers $kernel_part kinstr/s"
    echo "sound.$name.host $((vcpu_part - guest_part + rest_part + kernel_part)) kinstr/s"
    end_background
    rm sound.wav
}

# listening_rows NAME SND: what the device's worker takes to record, and its ears to listen.
listening_rows() {
    local vcpu='vcpu*' # looked at, too
    local -A before after
    play_linnet "host=file,path=sound.wav$2"
    wait_for 600 played 1
    look before
    before[worker]=$(threads_ns "$pid" snd0) before[ear]=$(threads_ns "$pid" 'snd0 ear')
    sleep 10
    look after
    after[worker]=$(threads_ns "$pid" snd0) after[ear]=$(threads_ns "$pid" 'snd0 ear')
    echo "sound.$1.device_thread $(per_second worker 1000) kinstr/s"
    [ -z "$2" ] || echo "sound.$1.ear_thread $(per_second ear 1000) kinstr/s"
    end_background
    rm sound.wav
}

ear_rows() {
    listening_rows record ""
    listening_rows expect ",expect='freq=440'"
    listening_rows report ",report=report"
}

# telling_row NAME [OPTION...]: what it costs to tell what happens, with these options: the device's
# worker, and who writes it down.
telling_row() {
    local name=$1 vcpu='vcpu*' events=0
    local -A before after
    shift
    play_linnet host=file,path=sound.wav "$@"
    wait_for 600 played 1
    look before
    before[worker]=$(threads_ns "$pid" snd0) before[writer]=$(threads_ns "$pid" events)
    [ ! -e said.jsonl ] || events=$(wc -l <said.jsonl)
    sleep 10
    look after
    after[worker]=$(threads_ns "$pid" snd0) after[writer]=$(threads_ns "$pid" events)
    echo "sound.$name.device_thread $(per_second worker 1000) kinstr/s"
    echo "sound.$name.writer $(per_second writer 1000) kinstr/s"
    [ ! -e said.jsonl ] || echo "sound.$name.events $((($(wc -l <said.jsonl) - events) / 10)) 1/s"
    end_background
    rm -f sound.wav said.jsonl
}

telling_rows() {
    telling_row untold
    telling_row trace --trace trace.json
    telling_row transcript --transcript said
    telling_row transcript_json --transcript said.jsonl
}

# What a period to a sound card takes: the device's worker, and the helper that has the card.
card_rows() {
    local helper worker_ns helper_ns status=/proc/asound/Dummy/pcm0p/sub0/status
    [ -e "$status" ] || return 0
    play_linnet "host=alsa,device='hw:CARD=Dummy'"
    wait_for 600 grep -q RUNNING "$status"
    helper=$(pgrep -P "$pid")
    worker_ns=$(threads_ns "$pid" snd0) helper_ns=$(threads_ns "$helper" '*')
    sleep 10
    worker_ns=$(($(threads_ns "$pid" snd0) - worker_ns))
    helper_ns=$(($(threads_ns "$helper" '*') - helper_ns))
    echo "sound.card.worker $((worker_ns / 1000)) instr/period"
    echo "sound.card.helper $((helper_ns / 1000)) instr/period"
    end_background
}

# run_ms SND SECONDS: what it takes, all in all, to boot, play for so long, and power off.
run_ms() {
    local status=0 TIMEFORMAT='%3U %3S'
    rm -f sound.wav
    {
        time "$linnet" run "${mem[@]}" "${sound_guest[@]}" --snd "$1" \
            --append "quiet linnet.job=drone linnet.arg=$2" "$guest/vmlinuz" \
            </dev/null >console 2>errors || status=$?
    } 2>used
    if [ "$status" != 0 ] || ! grep -q '^linnet-job: drone ok' console; then
        fail "bench: $2 s of tone, status $status: $(tail -n 3 console errors)"
    fi
    # A period of silence follows: aplay rounds up, and never adds nothing.
    "$linnet" listen sound.wav | grep -q "^ *frames *$(($2 * 48000 + 480)) " ||
        fail "bench: $2 s of tone: $("$linnet" listen sound.wav)"
    awk '{ printf "%.0f\n", 1000 * ($1 + $2) }' used
}

# How much faster than real time a guest can play by the free clock: whole runs, by CPU time.
free_row() {
    local short long
    short=$(run_ms host=file,path=sound.wav,clock=free 2)
    long=$(run_ms host=file,path=sound.wav,clock=free 62)
    echo "sound.linnet.free_running $((60000 / (long - short))) x"
}

# The device alone, on this machine, in real time; with the priority of real time where that is
# allowed, because others may be at work here.
device_rows() {
    local soon=()
    ! chrt -f 20 true 2>/dev/null || soon=(chrt -f 20)
    if [ "$arch" = "$host" ]; then
        "${soon[@]}" "$top/build/$arch-release/snd_load" 10
    else
        echo "bench: no snd.* rows: this is no $arch host" >&2
    fi
}

sound_rows() {
    local transport
    for transport in mmio pci; do
        play_linnet host=file,path=sound.wav --transport "$transport"
        cost_rows "linnet_$transport" 'vcpu*'
        [ -s "$made/qemu_sound" ] || continue
        play_qemu "$transport"
        cost_rows "qemu_$transport" 'CPU *'
        play_device "$transport"
        cost_rows "qemu_device_$transport" 'CPU *'
        end_device
    done
    ear_rows
    card_rows
    free_row
}

# SPDX-License-Identifier: BSD-3-Clause
# In a machine with VT-x: boots stock kernels under linnet and looks at what becomes of them, for
# tests/rig/vtx.sh. A line each: "vtx: NAME ok" or "vtx: NAME failed: WHY".
load kvm-intel
cd /data || fail "no data"
kernel=/data/vmlinuz

# told NAME STATUS [WHY]
told() {
    if [ "$2" = 0 ]; then echo "vtx: $1 ok"; else echo "vtx: $1 failed: $3"; fi
}

# boot NAME STATUS OPTION...: linnet must end with STATUS; its guest's console goes to ours.
boot() {
    name=$1 want=$2
    shift 2
    linnet run --kernel-cache dir:/tmp --time-limit 300s "$@"
    status=$?
    [ "$status" = "$want" ]
    told "$name" $? "exit status $status, not $want"
}

linnet doctor --kvm
told doctor $? "linnet doctor --kvm: status $?"
boot reset 32 --initrd boot --append "quiet linnet.job=reboot" $kernel
boot panic 34 --initrd boot --append "quiet linnet.job=panic" $kernel
boot two-cpus 0 --cpus 2 --initrd boot --append "quiet linnet.job=cpus" --serial file:cpus $kernel
grep '^cpus: 2' cpus
told two-cpus-seen $? "$(tail -n 1 cpus)"
boot play 0 --initrd sound --append "quiet linnet.job=play" --snd host=file,path=take.wav $kernel
linnet listen --same-as noise-16.wav take.wav
told same-16 $? "other samples"
linnet listen --same-as noise-32.wav take.2.wav
told same-32 $? "other samples"
boot hostile 0 --cpus 2 --mem 64M --rng --snd host=loopback --append "seed=1 rounds=300" hostile.elf
ok

# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The same devices behind the other transport, virtio-pci.

# The tone of sound.sh, sample for sample.
pci_tone() {
    boot 0 --transport pci --rng --initrd "$made/$stock.sound" --append "$(job tone)" \
        --snd host=file,path=tone.wav "$guests/$stock/vmlinuz"
    done_job tone
    "$linnet" listen --same-as "$guests/tone.wav" tone.wav
}

# pci_devices KERNEL: one of each class, on two CPUs; all find their driver's transport, and one is taken away and found
# again.
pci_devices() {
    truncate -s 1M disk.img
    boot 0 --transport pci --cpus 2 --rng --disk disk.img --console name=a,to=null --balloon \
        --snd host=null --share .,tag=here \
        --initrd "$made/$1.boot" --append "$(job pci 6)" "$guests/$1/vmlinuz"
    done_job pci
}
pci_6_12() { pci_devices "$stock"; }
pci_6_1() { pci_devices 6.1-cloud-amd64; }

# A command: consoles, shared folders and a disk carry real data.
pci_command() {
    head -c 3000000 /dev/urandom >sent
    cp sent disk.img
    truncate -s 4M disk.img
    warm "$kernel" disk.img
    runs 3 --transport pci --disk disk.img --rng "$kernel" -- \
        sh -c 'head -c 3000000 /dev/vda | cmp - sent || exit 4; cat; exit 3' <sent
    cmp sent console
    silent
}

boot_case counting pci-tone pci_tone
boot_case counting pci-command pci_command
boot_case smp pci-6.12 pci_6_12
boot_case smp pci-6.1 pci_6_1 x86_64

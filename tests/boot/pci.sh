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

# pci_devices KERNEL RECIPE: several classes, on two CPUs; all find their driver's transport, a disk is
# read through with the first kernel, and one device is taken away and found again.
pci_devices() {
    head -c 4M /dev/urandom >disk.img
    boot 0 --transport pci --cpus 2 --rng --disk disk.img --console name=a,to=null --balloon \
        --snd host=null --share .,tag=here \
        --initrd "$made/$1.$2" \
        --append "$(job pci 6 "$(sha256sum <disk.img | cut -d " " -f 1)")" "$guests/$1/vmlinuz"
    done_job pci
}
pci_6_12() { pci_devices "$stock" disk; }
pci_6_1() { pci_devices 6.1-cloud-amd64 boot; }

boot_case counting pci-tone pci_tone
boot_case smp pci-6.12 pci_6_12
boot_case smp pci-6.1 pci_6_1 x86_64

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

# pci_devices KERNEL RECIPE RNG: several classes, on two CPUs; all find their driver's transport, a disk is
# read through with the first kernel, and the entropy device, for which RNG are keys, is taken away and found
# again, while its interrupts move.
pci_devices() {
    head -c 4M /dev/urandom >disk.img
    boot 0 --transport pci --cpus 2 --rng "$3" --disk disk.img --console name=a,to=null --balloon \
        --snd host=null --share .,tag=here \
        --initrd "$made/$1.$2" \
        --append "$(job pci 6 "$(sha256sum <disk.img | cut -d " " -f 1)")" "$guests/$1/vmlinuz"
    done_job pci
}
pci_6_12() { pci_devices "$stock" disk isolate; } # whose interrupts KVM sends by itself
pci_6_1() { pci_devices 6.1-cloud-amd64 boot isolate=off; }

pci_prepare() {
    local recipe=boot
    [ "$arch" != x86_64 ] || recipe=pci
    rm -rf "$made/root"
    mkdir -p "$made/root"
    "$top/guests/mkinitramfs.sh" "$stock" "$made/$stock.root" "$recipe"
    (cd "$made/root" && cpio --quiet -idm <"$made/$stock.root")
    [ "$arch ${SOAK-}" != "x86_64 yes" ] || "$top/guests/mkinitramfs.sh" "$stock" "$made/$stock.kexec" kexec
}

# lspci_has COUNT PATTERN
lspci_has() {
    [ "$(grep -cE "$2" lspci)" = "$1" ] || fail "lspci: not $1 times \"$2\""
}

# lspci_judge COUNT: of functions; it finds all that a driver of virtio-pci needs, and nothing odd.
lspci_judge() {
    tr -d '\r' <console | sed -n '/^linnet-pci: lspci/,/^linnet-pci: end/p' >lspci
    lspci_has "$1" '^00:[0-9a-f]{2}\.0 [0-9a-f]{4}: 1af4:10[4-6][0-9a-f] \(rev 01\)$'
    lspci_has "$1" 'Control: I/O- Mem\+ BusMaster\+ .* DisINTx\+$'
    lspci_has "$1" 'Status: Cap\+ .* >TAbort- <TAbort- <MAbort- >SERR- <PERR- INTx-$'
    lspci_has "$1" 'Region 0: Memory at [0-9a-f]+ \(32-bit, non-prefetchable\) \[size=16K\]$'
    lspci_has "$1" 'MSI-X: Enable\+ Count=[0-9]+ Masked-$'
    lspci_has "$1" 'VirtIO: CommonCfg$'
    lspci_has "$1" 'VirtIO: Notify$'
    lspci_has "$1" 'VirtIO: ISR$'
    lspci_has "$1" 'Kernel driver in use: virtio-pci$'
    lspci_has 0 '!!!|<access denied>|<chain|Interrupt: pin|Unknown header'
}

# No initramfs at all: the kernel has virtio-pci and virtiofs built in, and its root is a folder of this host.
# There pciutils look at the bus, and write to it.
pci_root() {
    local work=rng
    [ "$arch" != x86_64 ] || work=pcitools
    cp -a "$made/root" .
    boot 0 --transport pci --rng --console name=a,to=null --balloon --share root,tag=root,rw \
        --append "root=root rootfstype=virtiofs rw init=/init $(job "$work")" "$guests/$stock/vmlinuz"
    done_job "$work"
    [ "$arch" = x86_64 ] || return 0
    lspci_judge 4
    grep -q '^pci: 0.l=ffffffff reads 10441af4' console || fail "what is read-only was written"
    grep -q '^pci: 2c.l=ffffffff reads [0-9a-f]*1af4' console || fail "what is read-only was written"
}

# The guest goes on with another kernel, whose drivers find devices that the first one has used.
pci_kexec() {
    mkdir files
    cp "$guests/$stock/vmlinuz" files/vmlinuz
    cp "$made/$stock.sound" files/initramfs
    boot 0 --transport pci --mem 1G --rng --share files,tag=files --snd host=file,path=tone.wav \
        --initrd "$made/$stock.kexec" --append "$(job kexec tone)" "$guests/$stock/vmlinuz"
    grep -q '^linnet-kexec: goes on' console || fail "the first kernel did not do its part"
    done_job tone
    "$linnet" listen --same-as "$guests/tone.wav" tone.wav
}

boot_case counting pci-tone pci_tone
boot_case smp pci-6.12 pci_6_12
boot_case smp pci-6.1 pci_6_1 x86_64
boot_case counting pci-root pci_root
soak_case counting pci-kexec pci_kexec x86_64

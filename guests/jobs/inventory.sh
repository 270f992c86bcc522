# SPDX-License-Identifier: BSD-3-Clause
# Lists what the guest sees: kernel, virtio devices, sound cards, what each PCM offers.
echo "kernel: $(uname -r)"
for dev in /sys/bus/virtio/devices/*; do
    [ -e "$dev" ] || continue
    driver=$(readlink "$dev/driver") || driver=none
    echo "virtio: ${dev##*/} id $(cat "$dev/device") driver ${driver##*/} features $(cat "$dev/features")"
done
load virtio_snd
if [ -e /proc/asound/cards ]; then
    cat /proc/asound/cards
    cat /proc/asound/pcm
    for node in /dev/snd/pcm*p; do
        [ -e "$node" ] || continue
        node=${node##*/pcmC} card=${node%%D*} pcm=${node##*D}
        # No device takes this format, so aplay stops after the dump, before it sets anything.
        aplay -D "hw:$card,${pcm%p}" --dump-hw-params -t raw -f SPECIAL /dev/zero 2>&1 |
            grep -v ^aplay:
    done
fi
ok

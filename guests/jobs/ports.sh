# SPDX-License-Identifier: BSD-3-Clause
# ports: of a console, by name, all at once: "both" sends a MiB and gets one, "slow" sends one, "head" writes
# lines without end, to "none" nobody listens, "file" is a file.
load virtio_console

# port NAME
port() {
    for port in /sys/class/virtio-ports/*; do
        [ "$(cat "$port/name" 2>/dev/null)" != "$1" ] || echo "/dev/${port##*/}"
    done
}
for name in both slow head none file; do
    until [ -n "$(port "$name")" ]; do sleep 0.1; done
done

dd if=/dev/urandom of=/tmp/bytes bs=64k count=16 2>/dev/null
echo "linnet-console: bytes $(sha256sum </tmp/bytes | cut -d ' ' -f 1)"
cat /dev/zero >"$(port none)" &
yes line >"$(port head)" 2>/dev/null &
cat /tmp/bytes >"$(port slow)" &
slow=$!
cat /tmp/bytes >"$(port file)" || fail "file"
exec 3<>"$(port both)"
echo >&3 # waits until somebody is there
cat /tmp/bytes >&3 &
both=$!
echo "linnet-console: got $(head -c 1048576 <&3 | sha256sum | cut -d ' ' -f 1)"
wait $both || fail "both"
exec 3<&-
wait $slow || fail "slow"
read -r _ # the host has looked at all
ok

# SPDX-License-Identifier: BSD-3-Clause
# selftest NAME [CONFIG...]: runs /data/NAME, one of the kernel's selftests, once with each of these
# configurations of /data. It writes a line a test, for the host to judge.
load virtio_snd
[ -e /dev/snd/controlC0 ] || fail "no sound device"
mkdir -p /tmp/selftest/conf.d
cd /tmp/selftest || fail "no folder"
name=$1
shift
[ $# -gt 0 ] || set -- none
for config; do
    [ "$config" = none ] || cp "/data/$config" "$name.conf" || fail "no configuration"
    echo "linnet-selftest: $name $config"
    "/data/$name" || fail "$name status $?"
done
ok

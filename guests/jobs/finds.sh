# SPDX-License-Identifier: BSD-3-Clause
# finds WHAT COUNT: measured. Mounts the share that many times: finds its files, or reads "large".
load virtiofs
mkdir /share
# shellcheck disable=SC2034 # a number
for i in $(seq "$2"); do
    mount -t virtiofs share /share || fail "mount"
    case $1 in
    find) [ "$(find /share | wc -l)" = 10102 ] || fail "find: $(find /share | wc -l)" ;;
    read) dd if=/share/large of=/dev/null bs=1M 2>/dev/null || fail "read" ;;
    esac
    umount /share || fail "umount"
done
ok

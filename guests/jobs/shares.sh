# SPDX-License-Identifier: BSD-3-Clause
# shares TEST: a long proof of shared folders. root: the host's root below two overlays, and fio of it
# on the share "rw". peers: that, and then the root's server is killed. many: 100,000 files in the share "many". random: what is drawn by lot in "rw".
load virtiofs
load overlay
mkdir /up /lower /middle /all /share
mount -t tmpfs -o size=80% up /up || fail "tmpfs"

# over LOWER UPPER TARGET: an overlay.
over() {
    mkdir -p "/up/$2/upper" "/up/$2/work"
    mount -t overlay -o "lowerdir=$1,upperdir=/up/$2/upper,workdir=/up/$2/work" over "$3" || fail "overlay at $3"
}

test_root() {
    mount -t virtiofs root /lower || fail "mount"
    over /lower 1 /middle
    over /middle 2 /all
    mount -t proc proc /all/proc && mount -t devtmpfs dev /all/dev && mount -t virtiofs rw /all/mnt || fail "mounts"
    [ "$(ls -ln /all/usr/bin | md5sum)" = "$(ls -ln /lower/usr/bin | md5sum)" ] || fail "another /usr/bin"
    echo more:x >>/all/etc/passwd && [ "$(tail -n 1 /all/etc/passwd)" = more:x ] || fail "append"
    tail -n 1 /lower/etc/passwd | grep -q more && fail "it was appended to below"
    mkdir /all/usr/share/linnet-made && echo x >/all/usr/share/linnet-made/file || fail "mkdir"
    chmod 700 /all/usr/bin/env && [ "$(stat -c %a /all/usr/bin/env)" = 700 ] || fail "chmod"
    mv /all/etc/hosts /all/etc/hosts.moved && [ ! -e /all/etc/hosts ] || fail "rename"
    rm -r /all/etc/default && [ ! -e /all/etc/default ] && mkdir /all/etc/default || fail "rm"
    [ "$(ls /all/etc/default)" = "" ] || fail "what was removed is back"
    [ -e /lower/etc/hosts ] && [ -e /lower/etc/default ] || fail "what lies below was changed"
    [ "$(chroot /all /usr/bin/env sh -c 'echo ran')" = ran ] || fail "exec"
    for engine in psync:0 libaio:1 mmap:0; do
        chroot /all fio --name=verify --directory=/mnt --rw=randrw --bsrange=512-64k --size=16m --numjobs=2 \
            --ioengine="${engine%:*}" --direct="${engine#*:}" --iodepth=16 --verify=crc32c --verify_fatal=1 \
            --do_verify=1 --group_reporting --thread --minimal >/tmp/fio || fail "fio $engine: $(cat /tmp/fio)"
        echo "fio $engine: $(cut -d ';' -f 5,6,47 /tmp/fio)"
    done
}

test_peers() {
    test_root
    mount -t virtiofs rw /share || fail "mount"
    find /lower/usr -type f -exec cat {} + >/dev/null & # nobody will answer
    echo "linnet-share: busy"
    await [ -e /share/killed ]
    echo yes >/share/after || fail "the other share"
    echo 3 >/proc/sys/vm/drop_caches
    [ "$(cat /share/after)" = yes ] || fail "the other share: read"
    ok
    poweroff -n -f # to sync would be to wait for the one that is no more
}

test_many() {
    mount -t virtiofs many /share || fail "mount"
    cd /share || fail "cd"
    [ "$(find . | wc -l)" = 100001 ] || fail "find: $(find . | wc -l)"
    echo "linnet-share: names $(find . | LC_ALL=C sort | md5sum | cut -d ' ' -f 1)"
    for i in $(seq 0 7 998); do
        for folder in folder*; do
            read -r text <"$folder/$i" && [ "$text" = "$folder/$i" ] || fail "$folder/$i has '$text'"
        done
    done
}

test_random() {
    mount -t virtiofs rw /share || fail "mount"
    mkdir /share/many
    (cd /share/many && seq 2000 | xargs touch) || fail "touch"
    for seed in 1 2 3; do
        mkdir "/share/twin$seed" "/up/twin$seed" "/share/other$seed" "/up/other$seed"
        /data/fsx "/share/first$seed" "$seed" 5000 &
        first=$!
        /data/fsx "/share/second$seed" "$((seed + 100))" 5000 &
        second=$!
        /data/twins "/share/other$seed" "/up/other$seed" "$((seed + 100))" 10000 &
        other=$!
        /data/twins "/share/twin$seed" "/up/twin$seed" "$seed" 10000 || fail "twins $seed"
        wait $first && wait $second && wait $other || fail "seed $seed"
        ls -l /share/many >/tmp/list # so that others are shelved
        echo "linnet-share: seed $seed"
    done
}

"test_$1"
ok

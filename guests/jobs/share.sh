# SPDX-License-Identifier: BSD-3-Clause
# share: mounts the shares "ro" and "rw". What it sees in the first it tells through the second, for
# the host to compare; then the first lies under a file system that is written to.
load virtiofs
load overlay

mkdir /ro /rw /up /all
mount -t virtiofs ro /ro || fail "mount of ro"

# list DIR: names, modes, owners, sizes and times; and the content.
list() {
    (cd "$1" && ls -lRn --full-time . && find . -type f | sort | xargs sha256sum)
}
list /ro >/rw/seen || fail "list"
touch /ro/new 2>/rw/refused && fail "ro is written to"

# As the lower of an overlay: each kind of change has what is below copied.
mount -t tmpfs up /up
mkdir /up/upper /up/work
mount -t overlay -o lowerdir=/ro,upperdir=/up/upper,workdir=/up/work all /all || fail "overlay"
echo more >>/all/text || fail "append"
[ "$(tail -n 2 /all/text)" = "$(printf 'the end\nmore')" ] || fail "append: $(tail -n 2 /all/text)"
mkdir /all/folder/new && echo new >/all/folder/new/file || fail "mkdir"
chmod 700 /all/folder/file && [ "$(stat -c %a /all/folder/file)" = 700 ] || fail "chmod"
mv /all/folder/old /all/folder/renamed && [ ! -e /all/folder/old ] || fail "rename"
rm /all/folder/gone && [ ! -e /all/folder/gone ] || fail "rm"
[ "$(/all/busybox echo ran)" = ran ] || fail "exec"
[ "$(readlink /all/link)" = folder/file ] || fail "readlink"
list /all >/up/list || fail "list of the overlay"
umount /all
list /ro | cmp - /rw/seen || fail "ro is not what it was"

md5sum /rw/seen # for the host to compare
ok

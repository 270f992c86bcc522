# SPDX-License-Identifier: BSD-3-Clause
# share long|short: mounts the shares "ro" and "rw". What it sees in the first it tells through the second, for
# the host to compare; then the first lies under a file system that is written to.
load virtiofs
load overlay

mkdir /ro /rw /up /all
mount -t virtiofs ro /ro || fail "mount of ro"
mount -t virtiofs rw /rw || fail "mount of rw"

# list DIR: names, modes, owners, sizes and times; and the content.
list() {
    (cd "$1" && ls -lRn --full-time . && find . -type f | sort | xargs sha256sum)
}
list /ro >/rw/seen || fail "list"
touch /ro/new 2>/rw/refused && fail "ro is written to"
[ "$(echo /rw/proc/*)" = "/rw/proc/*" ] || fail "the proc of the host is shown"

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

# What is done to the other is seen by the host.
cd /rw || fail "rw"
echo written >written
dd if=/ro/large of=large bs=64k conv=fsync 2>/dev/null || fail "write"
dd if=/ro/text of=large bs=1 seek=1000 count=4 conv=notrunc 2>/dev/null
mkdir -p made/in && echo kept >made/in/file && mv made moved
echo gone >gone && exec 3<gone && rm gone && [ "$(cat <&3)" = gone ] || fail "unlink of an open file"
echo new >replaced.new && mv replaced.new replaced
echo line >appended && echo more >>appended
truncate -s 10 cut
ln written hard && ln -s written soft && mkfifo fifo
chmod 640 written && touch -d @1000000000 written
mknod disk b 8 0 2>/dev/null && fail "a device node of the host's"
mkdir removed && rmdir removed
sync

# What the host changes is seen here a second later.
[ "$(cat edit)" = one ] || fail "edit"
exec 4<open 5<away/kept
cd away/inner || fail "cd"
touch /rw/ready
await [ -e /rw/edited ]
sleep 1
[ "$(cat kept)" = kept ] || fail "a folder that was renamed is another one"
cd /rw || fail "cd"
[ "$(cat <&5)" = kept ] || fail "a file that was renamed can't be read"
[ ! -e away/inner ] && [ "$(cat home/kept)" = kept ] || fail "a rename is not seen"
[ "$(cat edit)" = two ] || fail "an edit is not seen"
[ "$(cat open)" = replacement ] || fail "a replaced file is not seen"
[ "$(cat <&4)" = original ] || fail "a file that was replaced can't be read"
[ ! -e deleted ] || fail "a deleted file is seen"
exec 3<&- 4<&- 5<&-

# What is drawn by lot.
if [ "$1" != short ]; then
    mkdir twin /up/twin
    /data/fsx /rw/random 1 800 || fail "fsx"
    /data/twins /rw/twin /up/twin 1 1000 || fail "twins"
fi
cd /
umount /rw /ro || fail "umount"
ok

# SPDX-License-Identifier: BSD-3-Clause
# kexec WORD...: goes on with the kernel and the initramfs in the share "files", and these words; with the
# devices as this kernel leaves them: one is in use.
load virtiofs
mkdir /files
mount -t virtiofs files /files || fail "mount"
cat /dev/hwrng >/dev/null &
kexec -s -l /files/vmlinuz --initrd=/files/initramfs --append="console=ttyS0 quiet linnet.job=$1" || fail "kexec -l"
umount /files || fail "umount"
echo "linnet-kexec: goes on"
drain
kexec -e
fail "kexec -e came back"

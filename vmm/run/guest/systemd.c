/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * --systemd: process 1 becomes the systemd of the root, which is told of one more unit. That runs
 * this program again, in /run, which then does what it would have done as process 1: it opens the
 * ports, starts CMD, copies, and tells how it ended.
 */
#include "vmm/run/guest/guest.h"

#include <fcntl.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#define PROGRAM SERVICE_FOLDER "/init"
#define UNITS   "/run/systemd/system"
#define UNIT    "linnet-run.service"
#define TARGET  "multi-user.target"

/* After the target: what a guest is booted for is there. No limit is CMD's that it would not have
 * without systemd. */
static const char unit[] = "[Unit]\n"
                           "Description=The command of linnet run\n"
                           "After=" TARGET "\n"
                           "[Service]\n"
                           "ExecStart=" PROGRAM "\n"
                           "TasksMax=infinity\n"
                           "OOMPolicy=continue\n";

static bool file_write(const char *path, mode_t mode, const void *bytes, size_t size)
{
    auto_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

    return fd >= 0 && write(fd, bytes, size) == (ssize_t)size;
}

/* The initramfs, where this program is, has been left behind; what runs can be read. */
static bool program_copy(void)
{
    auto_close int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    auto_close int to = open(PROGRAM, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
    struct stat st;

    return from >= 0 && to >= 0 && fstat(from, &st) == 0 &&
           sendfile(to, from, NULL, (size_t)st.st_size) == st.st_size;
}

/*
 * In a copy of the host's root: the host's own disks are not here, and systemd would wait for them.
 * Neither is anybody on the serial console to log in, for whom it would wait for udev. And what is
 * in /tmp is no leftover of a boot before: CMD may be in there.
 */
static void host_forget(void)
{
    (void)truncate("/etc/fstab", 0);
    (void)truncate("/etc/crypttab", 0);
    (void)symlink("/dev/null", UNITS "/serial-getty@.service");
    make_folders("/run/tmpfiles.d");
    (void)symlink("/dev/null", "/run/tmpfiles.d/tmp.conf");
}

_Noreturn void systemd_become(struct guest *guest)
{
    static const char *const programs[] = {"/usr/lib/systemd/systemd", "/lib/systemd/systemd"};
    char *const args[] = {(char *)"/sbin/init", (char *)"--unit=" TARGET, NULL};

    make_folders(UNITS "/" TARGET ".wants");
    make_folders(SERVICE_FOLDER);
    (void)chmod(SERVICE_FOLDER, 0700);
    if (strcmp(run_string(guest, RUN_ROOT, NULL), "share") == 0)
        host_forget();
    if (!file_write(UNITS "/" UNIT, 0644, unit, sizeof(unit) - 1) ||
        symlink("../" UNIT, UNITS "/" TARGET ".wants/" UNIT) < 0 || !program_copy() ||
        !file_write(SERVICE_RUN_FILE, 0600, guest->strings, guest->size))
        unfit(guest, "--systemd: write to /run: %s", strerror(errno));
    for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
        (void)execv(programs[i], args);
    unfit(guest, "--systemd: %s of the root: %s; name a root that has it with --root", programs[0],
          strerror(errno));
}

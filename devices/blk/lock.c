/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See lock.h. The kernel does not say whose such a lock is, as it may be of several processes; but
 * /proc/PID/fdinfo/FD has the locks that were taken by that descriptor, in lines such as
 *
 *   lock:   1: OFDLCK  ADVISORY  WRITE -1 fe:00:1835022 0 EOF
 */
#include "devices/blk/lock.h"

#include "vmm/config/opts.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static bool has_lock(int folder, const char *name, const char *file_id)
{
    char line[256];
    bool found = false;
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
    FILE *info = fd < 0 ? NULL : fdopen(fd, "r");

    if (info == NULL) {
        fd_close(&fd);
        return false;
    }
    while (!found && fgets(line, sizeof(line), info) != NULL)
        found = strncmp(line, "lock:", 5) == 0 && strstr(line, file_id) != NULL;
    (void)fclose(info); /* was read only */
    return found;
}

static bool process_has_lock(const char *pid, const char *file_id)
{
    char path[64];
    bool found = false;

    (void)snprintf(path, sizeof(path), "/proc/%.20s/fdinfo", pid);
    DIR *infos = opendir(path);
    if (infos == NULL)
        return false; /* another user's, or gone */
    for (struct dirent *entry; !found && (entry = readdir(infos)) != NULL;)
        found = entry->d_name[0] != '.' && has_lock(dirfd(infos), entry->d_name, file_id);
    (void)closedir(infos);
    return found;
}

/* Whether somebody is found; "process 123", or what else there is to say. */
static bool find_holder(int fd, char *ret_name, size_t size)
{
    bool found = false;
    char file_id[64];
    struct stat facts;
    DIR *processes = fstat(fd, &facts) < 0 ? NULL : opendir("/proc");

    (void)snprintf(ret_name, size, "another process");
    if (processes == NULL)
        return false;
    (void)snprintf(file_id, sizeof(file_id), " %02x:%02x:%lu ", major(facts.st_dev),
                   minor(facts.st_dev), (unsigned long)facts.st_ino);
    for (struct dirent *entry; !found && (entry = readdir(processes)) != NULL;) {
        found = entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
                process_has_lock(entry->d_name, file_id);
        if (found)
            (void)snprintf(ret_name, size, "process %.20s", entry->d_name);
    }
    (void)closedir(processes);
    return found;
}

/* What a killed process had in an io_uring the kernel closes some 30 ms after it is gone. */
#define GHOST_TRIES_MAX 50
#define GHOST_TRY_US    20000

int blk_lock(int fd, const char *option, const char *path, bool writing)
{
    struct flock lock = {.l_type = writing ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET};
    char who[64];

    for (unsigned tries = 0; fcntl(fd, F_OFD_SETLK, &lock) < 0; tries++) {
        if (errno != EAGAIN && errno != EACCES) {
            log_warn("%s: %s: not locked: %s", option, path, strerror(errno));
            return 0;
        }
        if (find_holder(fd, who, sizeof(who)) || tries == GHOST_TRIES_MAX)
            return opts_error("%s: %s is in use by %s; end that, or give its disks ro or overlay",
                              option, path, who);
        (void)usleep(GHOST_TRY_US); /* cut short, it tries sooner */
    }
    return 0;
}

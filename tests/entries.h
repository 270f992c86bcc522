/* SPDX-License-Identifier: BSD-3-Clause */
/* Entries of a folder: of /proc/self/task threads, of /proc/self/fd open files (and a few more). */
#pragma once

#include <assert.h>
#include <dirent.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

static inline unsigned entries_count(const char *path)
{
    DIR *entries = opendir(path);
    unsigned count = 0;

    assert(entries != NULL);
    while (readdir(entries) != NULL)
        count++;
    (void)closedir(entries);
    return count;
}

/* Waits until there are so many: a thread that was joined may be there for a moment yet. */
static inline bool entries_become(const char *path, unsigned want)
{
    for (int i = 0; i < 3000; i++) {
        if (entries_count(path) == want)
            return true;
        usleep(10000);
    }
    return false;
}

static inline void *thread_that_tells_its_id(void *arg)
{
    *(pid_t *)arg = gettid();
    return NULL;
}

/* How many threads this process has before the first test. A sanitizer may make one of its own with
 * the first of ours, which is there for a moment after it was joined. */
static inline unsigned threads_at_first(void)
{
    pthread_t thread;
    char path[64];
    pid_t id = 0;
    int r = pthread_create(&thread, NULL, thread_that_tells_its_id, &id);

    assert(r == 0);
    (void)pthread_join(thread, NULL);
    (void)snprintf(path, sizeof(path), "/proc/self/task/%d", (int)id);
    while (access(path, F_OK) == 0)
        usleep(1000);
    return entries_count("/proc/self/task");
}

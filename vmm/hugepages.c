/* SPDX-License-Identifier: BSD-3-Clause */
/* See hugepages.h. The kernel tells in /sys (Documentation/admin-guide/mm/hugetlbpage.rst and
 * transhuge.rst). */
#include "vmm/hugepages.h"

#include "vmm/base/log.h"
#include "vmm/base/memory.h"

#include <stdio.h>
#include <string.h>

#define SYS_MM "/sys/kernel/mm/"

static void folder_of(enum memory_pages pages, char ret_path[64])
{
    (void)snprintf(ret_path, 64, SYS_MM "hugepages/hugepages-%llukB",
                   (unsigned long long)(memory_pages_bytes(pages) >> 10));
}

int hugepages_refused(int r, const struct opts *options)
{
    const enum memory_pages pages = (enum memory_pages)opts_choice(options, "hugepages");
    const char *word = opts_str(options, "hugepages");
    const uint64_t size = opts_bytes(options, "mem"), bytes = memory_pages_bytes(pages);
    const unsigned long long mib = size >> 20;
    char folder[64];

    if (bytes == 0)
        return log_error(r, "--mem: %llu MiB of guest RAM", mib);
    folder_of(pages, folder);
    if (r == -EINVAL)
        (void)log_error(0, "--hugepages %s: --mem must be a multiple of that, it is %llu MiB", word,
                        mib);
    else if (r == -ENODEV)
        (void)log_error(0, "--hugepages %s: this host has none of that size; use --hugepages auto",
                        word);
    else if (r == -ENOMEM)
        (void)log_error(0,
                        "--hugepages %s: %llu such pages are not free; as root write a larger "
                        "number to %s/nr_hugepages, or use --hugepages auto",
                        word, (unsigned long long)(size / bytes), folder);
    else
        (void)log_error(r, "--hugepages %s: %llu MiB of guest RAM", word, mib);
    return r;
}

/* The first line of a file; "" if it cannot be read. */
static void read_line(const char *path, char *ret_line, size_t size)
{
    FILE *file = fopen(path, "re");

    ret_line[0] = '\0';
    if (file == NULL)
        return;
    if (fgets(ret_line, (int)size, file) == NULL)
        ret_line[0] = '\0';
    (void)fclose(file); /* read only */
    ret_line[strcspn(ret_line, "\n")] = '\0';
}

static unsigned long long free_pages(enum memory_pages pages)
{
    char folder[64], path[96], line[32];

    folder_of(pages, folder);
    (void)snprintf(path, sizeof(path), "%s/free_hugepages", folder);
    read_line(path, line, sizeof(line));
    return strtoull(line, NULL, 10);
}

bool hugepages_tell(char *ret_text, size_t size)
{
    const unsigned long long free_2m = free_pages(MEMORY_PAGES_2M);
    const unsigned long long free_1g = free_pages(MEMORY_PAGES_1G);
    const char *transparent = "where linnet loads kernels";
    char line[128];

    read_line(SYS_MM "transparent_hugepage/shmem_enabled", line, sizeof(line));
    if (line[0] == '\0' || strstr(line, "[deny]") != NULL)
        transparent = "nowhere";
    else if (strstr(line, "[never]") == NULL)
        transparent = "everywhere";
    (void)snprintf(ret_text, size,
                   "transparent huge pages (--hugepages auto): %s; free for 2M: %llu, for 1G: %llu",
                   transparent, free_2m, free_1g);
    return strcmp(transparent, "nowhere") != 0 || free_2m > 0 || free_1g > 0;
}

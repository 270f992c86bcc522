/* SPDX-License-Identifier: BSD-3-Clause */
/* See recorded.h. */
#include "tests/recorded.h"

#include "devices/registry.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Fails the test, in whatever program this is: fuzz harnesses have no Check. */
#define must(holds) must_((holds), #holds, __LINE__)
static void must_(bool holds, const char *what, int line)
{
    if (holds)
        return;
    (void)fprintf(stderr, "recorded.c:%d: does not hold: %s\n", line, what);
    abort();
}

static const struct recorded_kind kinds[] = {
    {"rng0", &virtio_rng, "", NULL},
    {"snd0", &virtio_snd, "host=loopback,jacks=line-out+mic,controls=on", NULL},
    {"disk0", &virtio_blk, "", "disk.img"},
    {"share0", &virtio_fs, "tag=here,rw", "share"},
    {"net0", &virtio_net, "host=socket,mac=52:54:00:12:34:56", "hub"},
    {"console0", &virtio_console, "name=a,to=null", NULL},
    {"balloon0", &virtio_balloon, "", NULL},
    {"vsock0", &virtio_vsock, "", "vsock"},
    {"input0", &virtio_input, "kind=keyboard", NULL},
    {"pmem0", &virtio_pmem, "", "pmem.img"},
};

const struct recorded_kind *recorded_kind(const char *device)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (strcmp(device, kinds[i].device) == 0)
            return &kinds[i];
    return NULL;
}

/* -- the folder -- */

static void file_make(const char *folder, const char *name, const char *text, off_t bytes)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0644);
    must(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    must(ftruncate(fd, bytes) == 0);
    (void)close(fd);
}

void recorded_folder_make(char ret_folder[32])
{
    char path[64];

    (void)strcpy(ret_folder, "/tmp/linnet-replay-XXXXXX");
    must(mkdtemp(ret_folder) != NULL);
    (void)snprintf(path, sizeof(path), "%s/share", ret_folder);
    must(mkdir(path, 0755) == 0);
    file_make(ret_folder, "share/text", "text\n", 5);
    file_make(ret_folder, "disk.img", "", 65536);
    file_make(ret_folder, "pmem.img", "", 2 << 20);
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
    (void)stat;
    (void)ftw;
    if (type == FTW_DNR) /* a guest took the rights away */
        (void)chmod(path, 0700);
    return remove(path) == 0 || errno == ENOENT ? 0 : -1; /* a hub that ends may be first */
}

void recorded_folder_remove(const char *folder)
{
    must(nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0);
}

/* -- a device -- */

struct virtio_device *recorded_create(const struct recorded_kind *kind, const char *folder, int fd,
                                      const struct memory *mem)
{
    struct virtio_device *dev;
    struct opts *opts;
    char text[64];

    must(opts_create(kind->class->opts, &opts) == 0);
    must(kind->options[0] == '\0' || opts_parse(opts, "", kind->options) == 0);
    (void)snprintf(text, sizeof(text), "%s/%s", folder, kind->path == NULL ? "" : kind->path);
    must(kind->path == NULL || fd >= 0 || opts_set(opts, "", "path", text) == 0);
    (void)snprintf(text, sizeof(text), "%d", fd);
    must(fd < 0 || opts_set(opts, "", "fd", text) == 0);
    must(fake_create(kind->class, 0, mem, opts, &dev) == 0);
    opts_destroy(opts);
    if (kind->class->placed != NULL)
        kind->class->placed(dev, 1ull << 32);
    return dev;
}

/* -- lines -- */

const char *recorded_text(const json_t *line, const char *key)
{
    const char *text = json_string_value(json_object_get(line, key));

    return text == NULL ? "" : text;
}

uint32_t recorded_number(const json_t *line, const char *key)
{
    return (uint32_t)json_integer_value(json_object_get(line, key));
}

static int digit(char text)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = text == '\0' ? NULL : strchr(digits, text);

    return at == NULL ? -1 : (int)(at - digits);
}

size_t recorded_bytes(const json_t *line, const char *key, uint8_t ret_bytes[RECORDED_BYTES_MAX])
{
    const char *hex = recorded_text(line, key);
    size_t len = 0;

    while (len < RECORDED_BYTES_MAX && digit(hex[0]) >= 0 && digit(hex[1]) >= 0) {
        ret_bytes[len++] = (uint8_t)(digit(hex[0]) << 4 | digit(hex[1]));
        hex += 2;
    }
    return len;
}

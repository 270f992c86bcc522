/* SPDX-License-Identifier: BSD-3-Clause */
/* See fs_client.h. */
#include "tests/devices/fs/fs_client.h"

#include "devices/registry.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RAM_BYTES 0x400000 /* unless it is said otherwise */
#define RINGS     0x10000
#define MESSAGE   0x100000
#define ANSWER    0x200000

/* Not ck_assert: the fuzzer uses it, too. */
static void need(bool good, const char *what)
{
    if (!good) {
        (void)fprintf(stderr, "fs_client: %s\n", what);
        abort();
    }
}

void fs_client_folder(struct fs_client *client)
{
    const char *base = getenv("TMPDIR");

    (void)snprintf(client->folder, sizeof(client->folder), "%.40s/share-XXXXXX",
                   base != NULL ? base : "/tmp");
    need(mkdtemp(client->folder) != NULL, "a folder");
}

void fs_client_start(struct fs_client *client, const char *options)
{
    char text[256];

    if (client->folder[0] == '\0')
        fs_client_folder(client);
    uint64_t bytes = client->ram_bytes != 0 ? client->ram_bytes : RAM_BYTES;
    fake_memory(&client->mem, bytes);
    (void)snprintf(text, sizeof(text), "path=%s,tag=test%s", client->folder, options);
    need(fake_make(&virtio_fs, &client->mem, text, &client->dev) == 0, "a device");
    fake_driver_init(&client->drv, client->dev, RINGS);
    need(virtio_start(client->dev) == 0, "a worker");
    need(fake_start(&client->drv, FAKE_VERSION_1 | FAKE_INDIRECT_DESC) == 15, "it works");
    client->queue = 1;
    client->room = 0x30000;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void fs_client_stop(struct fs_client *client)
{
    virtio_destroy(client->dev);
    fake_driver_fini(&client->drv);
    memory_destroy(&client->mem);
    need(nftw(client->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) == 0,
         "it is removed");
}

int fs_raw(struct fs_client *client, const void *message, size_t len)
{
    struct fake_ring *ring = &client->drv.ring[client->queue];
    struct fake_piece pieces[2];
    unsigned count = 0;
    uint32_t id;

    memcpy(memory_at(&client->mem, MESSAGE, len), message, len);
    memset(memory_at(&client->mem, ANSWER, sizeof(client->head)), 0, sizeof(client->head));
    if (len > 0)
        pieces[count++] = (struct fake_piece){MESSAGE, (uint32_t)len, 0};
    if (client->room > 0)
        pieces[count++] = (struct fake_piece){ANSWER, client->room, FAKE_WRITE};
    fake_offer(ring, fake_chain(ring, pieces, count));
    fake_write(&client->drv, FAKE_QUEUE_NOTIFY, client->queue);
    need(fake_wait_used(&client->drv, (uint16_t)client->queue, &id, &client->used),
         "it comes back");
    need(client->used <= client->room, "no more than there is room for");
    client->len = 0;
    if (client->used < sizeof(client->head))
        return 1;
    memcpy(&client->head, memory_at(&client->mem, ANSWER, sizeof(client->head)),
           sizeof(client->head));
    need(client->head.len == client->used, "lengths that agree");
    client->len = client->used - sizeof(client->head);
    memcpy(client->body, memory_at(&client->mem, ANSWER + sizeof(client->head), client->len + 1),
           MIN(client->len, sizeof(client->body)));
    return client->head.error;
}

int fs_call_with(struct fs_client *client, uint32_t opcode, uint64_t node, const void *args,
                 size_t len, const void *more, size_t more_len)
{
    static uint8_t message[0x40000];
    struct fuse_in_header head = {
        .len = (uint32_t)(sizeof(head) + len + more_len),
        .opcode = opcode,
        .unique = ++client->unique,
        .nodeid = node,
    };

    need(head.len <= sizeof(message), "a message of that length");
    memcpy(message, &head, sizeof(head));
    if (len > 0)
        memcpy(message + sizeof(head), args, len);
    if (more_len > 0)
        memcpy(message + sizeof(head) + len, more, more_len);
    int r = fs_raw(client, message, head.len);
    need(r == 1 || client->head.unique == client->unique, "an answer to this");
    return r;
}

int fs_call(struct fs_client *client, uint32_t opcode, uint64_t node, const void *args, size_t len)
{
    return fs_call_with(client, opcode, node, args, len, NULL, 0);
}

int fs_init(struct fs_client *client)
{
    const struct fuse_init_in in = {7, 41, 0x20000, 0x73fffffb, 0x7d, {0}};

    return fs_call(client, FUSE_INIT, 0, &in, sizeof(in));
}

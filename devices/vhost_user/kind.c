/* SPDX-License-Identifier: BSD-3-Clause */
/* Types of devices that a back-end may be (virtio 1.2 §5): what is not asked for over the socket.
 */
#include "devices/vhost_user/vhost_user.h"

#include "vmm/base/text.h"

#include <linux/virtio_blk.h>
#include <linux/virtio_net.h>
#include <string.h>

/* Larger ones are refused by some back-ends (of ours, too), where nobody needs them. */
#define SMALL_QUEUE_SIZE 64
#define QUEUE_SIZE       256

/* The last one is of every type that has no name here. */
static const struct vu_kind kinds[] = {
    {"net", VIRTIO_ID_NET, 2, VU_QUEUES_MAX, QUEUE_SIZE, 24,
     .config_features = 1ull << VIRTIO_NET_F_MTU | 1ull << VIRTIO_NET_F_MAC |
                        1ull << VIRTIO_NET_F_STATUS | 1ull << VIRTIO_NET_F_MQ |
                        1ull << VIRTIO_NET_F_RSS | 1ull << VIRTIO_NET_F_HASH_REPORT |
                        1ull << VIRTIO_NET_F_SPEED_DUPLEX},
    {"disk", VIRTIO_ID_BLOCK, 1, VU_QUEUES_MAX, QUEUE_SIZE, 60,
     .writable_off = offsetof(struct virtio_blk_config, wce), .writable_len = 1,
     .config_needed = true},
    {"console", VIRTIO_ID_CONSOLE, 2, VU_QUEUES_MAX, SMALL_QUEUE_SIZE, 12, .writable_off = 8,
     .writable_len = 4},
    {"rng", VIRTIO_ID_RNG, 1, 1, SMALL_QUEUE_SIZE, 0},
    {"input", VIRTIO_ID_INPUT, 2, 2, SMALL_QUEUE_SIZE, 136, .writable_off = 0, .writable_len = 2,
     .config_needed = true},
    {"vsock", VIRTIO_ID_VSOCK, 3, 3, QUEUE_SIZE, 8, .config_needed = true},
    {"snd", VIRTIO_ID_SOUND, 4, 4, SMALL_QUEUE_SIZE, 16, .config_needed = true},
    {"share", VIRTIO_ID_FS, 2, VU_QUEUES_MAX, QUEUE_SIZE, 40},
    {NULL, 0, 1, VU_QUEUES_MAX, SMALL_QUEUE_SIZE, VHOST_USER_CONFIG_MAX, .writable_off = 0,
     .writable_len = VHOST_USER_CONFIG_MAX},
};

static int unknown(const char *text)
{
    char quote[TEXT_QUOTE_SIZE], names[128] = "";
    size_t len = 0;

    for (const struct vu_kind *kind = kinds; kind->name != NULL; kind++)
        len += (size_t)snprintf(names + len, sizeof(names) - len, "%s, ", kind->name);
    return opts_error("--vhost-user kind: no such device: %s; give %sor the number of a virtio "
                      "device type, 1 to %u",
                      text_quote(quote, text), names, VU_ID_MAX);
}

int vu_kind_find(const char *text, struct vu_kind *ret_kind)
{
    const struct opt number = {"kind", .type = OPT_INT, .min = 1, .max = VU_ID_MAX};
    const struct vu_kind *kind = kinds;
    uint64_t id = 0;

    if (opt_number_parse(&number, text, &id) < 0)
        id = 0;
    while (kind->name != NULL && kind->id != id && strcmp(kind->name, text) != 0)
        kind++;
    if (kind->name == NULL && id == 0)
        return unknown(text);
    *ret_kind = *kind;
    if (kind->name == NULL)
        ret_kind->id = (uint32_t)id;
    return 0;
}

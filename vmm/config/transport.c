/* SPDX-License-Identifier: BSD-3-Clause */
/* See transport.h. */
#include "vmm/config/transport.h"

#define ROWS_MAX 256

const char *const transport_choices[] = {
    [CONFIG_TRANSPORT_MMIO] = "mmio",
    [CONFIG_TRANSPORT_PCI] = "pci",
    NULL,
};

static const struct opt key = {
    .name = "transport",
    .help = "how the guest finds and drives this device: see --transport",
    .type = OPT_CHOICE,
    .flags = OPT_TOLD_ELSEWHERE,
    .choices = transport_choices,
};

const struct opt *transport_add_key(const struct opt *table, const struct opt *also)
{
    static struct opt rows[ROWS_MAX]; /* filled once, by main */
    static size_t used;
    const struct opt *added = rows + used;

    for (; table != NULL && table->name != NULL; table++) {
        assert(used < ROWS_MAX - 3);
        rows[used++] = *table;
    }
    if (also != NULL)
        rows[used++] = *also;
    rows[used++] = key;
    used++; /* the end, {0} */
    return added;
}

enum config_transport transport_of(const struct config *config, const struct opts *const opts[],
                                   unsigned count)
{
    while (count-- > 0)
        if (opt_find(opts[count]->table, key.name) != NULL && opts_given(opts[count], key.name))
            return (enum config_transport)opts_choice(opts[count], key.name);
    return (enum config_transport)opts_choice(config->options, key.name);
}

bool transport_used(const struct config *config, enum config_transport transport)
{
    bool used = transport_of(config, NULL, 0) == transport;

    for (size_t kind = 0; kind < config->kinds_count; kind++)
        for (unsigned i = 0; i < config->devices[kind].count; i++) {
            const struct opts *opts = config->devices[kind].items[i];
            used |= transport_of(config, &opts, 1) == transport;
        }
    return used;
}

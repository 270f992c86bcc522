/* SPDX-License-Identifier: BSD-3-Clause */
/* See tree.h. Pure. */
#include "arch/x86_64/tree.h"
#include "arch/tree.h"
#include "arch/x86_64/layout.h"
#include "vmm/base/log.h"

#include <string.h>

#define PAGE 4096ULL

static void add_cpus(struct tree *tree, unsigned count)
{
    (void)tree_open(tree, NULL, "cpus");
    tree_cell_counts(tree, 1, 0);
    for (unsigned i = 0; i < count; i++) {
        (void)tree_open_at(tree, NULL, "cpu", i);
        tree_string(tree, "device_type", "cpu");
        tree_cell(tree, "reg", i); /* its APIC id */
        tree_close(tree);
    }
    tree_close(tree);
}

static void add_virtio(struct tree *tree, const struct platform_device *dev)
{
    (void)tree_open_at(tree, NULL, "virtio", dev->base);
    tree_string(tree, "compatible", "virtio,mmio");
    tree_reg(tree, (const uint64_t[]){dev->base, dev->size}, 1);
    tree_string(tree, "status", "disabled");
    tree_close(tree);
}

static void write_tree(const struct platform *platform, struct tree *tree)
{
    (void)tree_open(tree, NULL, "");
    tree_string(tree, "model", "linnet");
    tree_string(tree, "compatible", "linux,dummy-virt");
    tree_cell_counts(tree, 2, 2);
    tree_memory(tree, platform->mem);
    add_cpus(tree, platform->cpu_count);
    for (unsigned i = 0; i < platform->device_count; i++)
        if (platform->device[i].kind == PLATFORM_VIRTIO)
            add_virtio(tree, &platform->device[i]);
    tree_written(tree);
}

/* Below the initrd, or where that would end. */
static int place_tree(struct load *load, const struct tree *tree, size_t size)
{
    gpa_t ceiling = load->initrd->size > 0 ? load->initrd_addr : load->low_ram_bytes;
    uint64_t room = round_up(sizeof(struct setup_data) + size, PAGE);
    struct setup_data header = {
        .type = to_le32(SETUP_DTB),
        .size = to_le32((uint32_t)size),
    };

    ceiling = MIN(ceiling, load->initrd_limit) / PAGE * PAGE;
    if (ceiling < load->kernel_end || room > ceiling - load->kernel_end)
        return log_plain(-ENOMEM, "device tree: needs a larger --mem");
    gpa_t addr = ceiling - room;
    uint8_t *to = load_at(load, addr, sizeof(header) + size);
    memcpy(to, &header, sizeof(header));
    memcpy(to + sizeof(header), tree->fdt, size);
    load->params.hdr.setup_data = to_le64(addr);
    load->entry.tree = addr + sizeof(header);
    load->entry.tree_size = size;
    return 0;
}

int x86_64_tree_load(struct load *load)
{
    const struct tree_chosen chosen = {
        .bootargs = load->platform->cmdline,
        .initrd_start = load->initrd_addr,
        .initrd_size = load->initrd->size,
    };
    struct tree tree;

    if (!load->platform->tree.wanted)
        return 0;
    if (load->entry.kind == ENTRY_PVH32)
        return log_plain(-EINVAL,
                         "%s: not Linux, and enters by PVH, which has no place for a "
                         "device tree; leave out --dtb, --dtbo and their like",
                         load->kernel->name);
    int r = tree_make(&tree, load->platform, write_tree, &chosen);
    if (r == 0)
        r = place_tree(load, &tree, tree_end(&tree));
    tree_fini(&tree);
    return r;
}

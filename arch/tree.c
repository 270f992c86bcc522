/* SPDX-License-Identifier: BSD-3-Clause */
/* See tree.h: the writing. tree_overlay.c has what is done to a whole tree. */
#include "arch/tree.h"

#include "vmm/base/log.h"

#include <inttypes.h>
#include <libfdt.h>
#include <stdio.h>
#include <string.h>

/* Room for what we write ourselves, all of which libfdt clears first. A machine with all CPUs and
 * devices takes a third of it. */
#define WRITTEN_BYTES_MAX (64 << 10)

int tree_init(struct tree *tree)
{
    *tree = (struct tree){.fdt = calloc(1, TREE_BYTES_MAX)};
    if (tree->fdt == NULL)
        return log_error(-ENOMEM, "device tree");
    tree->error = fdt_create(tree->fdt, WRITTEN_BYTES_MAX);
    if (tree->error == 0)
        tree->error = fdt_finish_reservemap(tree->fdt);
    return 0;
}

/* What tree_choose() wrote is a secret between the guest's kernel and its boot loader. */
static void wipe_seeds(struct tree *tree)
{
    static const char *const names[] = {"rng-seed", "kaslr-seed"};
    int node = fdt_path_offset(tree->fdt, "/chosen"), len;

    for (size_t i = 0; node >= 0 && i < ARRAY_SIZE(names); i++) {
        void *seed = fdt_getprop_w(tree->fdt, node, names[i], &len);
        if (seed != NULL)
            explicit_bzero(seed, (size_t)len);
    }
}

void tree_fini(struct tree *tree)
{
    if (tree->fdt != NULL)
        wipe_seeds(tree);
    free(tree->fdt);
    *tree = (struct tree){0};
}

static void keep(struct tree *tree, int error)
{
    if (tree->error == 0)
        tree->error = error;
}

/* -- nodes -- */

static void add_label(struct tree *tree, const char *label, const char *path)
{
    assert(tree->label_count < TREE_LABELS_MAX);
    struct tree_label *row = &tree->label[tree->label_count++];
    (void)snprintf(row->name, sizeof(row->name), "%s", label);
    (void)snprintf(row->path, sizeof(row->path), "%s", path);
}

uint32_t tree_open(struct tree *tree, const char *label, const char *name)
{
    keep(tree, fdt_begin_node(tree->fdt, name));
    if (name[0] != '\0') {
        size_t len = strlen(tree->path);
        (void)snprintf(tree->path + len, sizeof(tree->path) - len, "/%s", name);
    }
    if (label == NULL)
        return 0;
    add_label(tree, label, tree->path);
    tree_cell(tree, "phandle", ++tree->phandle_last);
    return tree->phandle_last;
}

uint32_t tree_open_at(struct tree *tree, const char *label, const char *name, uint64_t address)
{
    char full[40];

    (void)snprintf(full, sizeof(full), "%s@%" PRIx64, name, address);
    return tree_open(tree, label, full);
}

void tree_close(struct tree *tree)
{
    char *slash = strrchr(tree->path, '/');

    if (slash != NULL)
        *slash = '\0';
    keep(tree, fdt_end_node(tree->fdt));
}

/* -- properties -- */

void tree_flag(struct tree *tree, const char *name)
{
    keep(tree, fdt_property(tree->fdt, name, NULL, 0));
}

void tree_string(struct tree *tree, const char *name, const char *text)
{
    tree_strings(tree, name, text, strlen(text) + 1);
}

void tree_strings(struct tree *tree, const char *name, const char *strings, size_t size)
{
    keep(tree, fdt_property(tree->fdt, name, strings, (int)size));
}

void tree_cells(struct tree *tree, const char *name, const uint32_t *cells, size_t count)
{
    void *value;
    int error = fdt_property_placeholder(tree->fdt, name, (int)(count * sizeof(*cells)), &value);

    keep(tree, error);
    for (size_t i = 0; i < count && error == 0; i++)
        fdt32_st((uint8_t *)value + i * sizeof(*cells), cells[i]);
}

void tree_cell(struct tree *tree, const char *name, uint32_t cell)
{
    tree_cells(tree, name, &cell, 1);
}

void tree_reg(struct tree *tree, const uint64_t *ranges, size_t count)
{
    void *value;
    int error =
        fdt_property_placeholder(tree->fdt, "reg", (int)(2 * count * sizeof(*ranges)), &value);

    keep(tree, error);
    for (size_t i = 0; i < 2 * count && error == 0; i++)
        fdt64_st((uint8_t *)value + i * sizeof(*ranges), ranges[i]);
}

void tree_cell_counts(struct tree *tree, uint32_t address_cells, uint32_t size_cells)
{
    tree_cell(tree, "#address-cells", address_cells);
    tree_cell(tree, "#size-cells", size_cells);
}

void tree_memory(struct tree *tree, const struct memory *mem)
{
    uint64_t ranges[2 * MEMORY_OWN_REGIONS_MAX];

    for (unsigned i = 0; i < mem->region_count; i++) {
        ranges[2 * i] = mem->region[i].base;
        ranges[2 * i + 1] = mem->region[i].size;
    }
    (void)tree_open_at(tree, NULL, "memory", mem->region[0].base);
    tree_string(tree, "device_type", "memory");
    tree_reg(tree, ranges, mem->region_count);
    tree_close(tree);
}

void tree_written(struct tree *tree)
{
    unsigned count = tree->label_count;

    (void)tree_open(tree, NULL, "__symbols__");
    for (unsigned i = 0; i < count; i++)
        tree_string(tree, tree->label[i].name, tree->label[i].path);
    tree_close(tree);
    tree_close(tree); /* the root */
    keep(tree, fdt_finish(tree->fdt));
    if (tree->error == 0) /* with all the room that is left, for what comes */
        keep(tree, fdt_open_into(tree->fdt, tree->fdt, (int)TREE_BYTES_MAX));
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A flattened device tree (Devicetree Specification 0.4) by libfdt: node by node from a machine's
 * table, then what a boot loader adds to /chosen, then overlays. Pure; the same input gives the
 * same bytes.
 *
 *   tree_init  tree_open..tree_close   or  tree_read(FILE)     the tree of the machine
 *   tree_choose                                                /chosen
 *   tree_overlay FILE ...                                      in the order given
 *   tree_end                                                   ready for the guest
 *
 * While nodes are written, the first failure is kept and the rest does nothing: tree_choose() and
 * tree_read() are where it comes out.
 */
#pragma once

#include "arch/arch.h"

#define TREE_BYTES_MAX  ((size_t)2 << 20) /* Documentation/arch/arm64/booting.rst */
#define TREE_LABELS_MAX 160

struct tree {
    uint8_t *fdt; /* owned, TREE_BYTES_MAX bytes */
    int error;    /* of libfdt, the first; 0: none */
    uint32_t phandle_last;
    unsigned label_count;
    struct tree_label {
        char name[20], path[40];
    } label[TREE_LABELS_MAX];
    char path[40]; /* of the node that is open */
};

/* An empty tree; -ENOMEM is logged. tree_fini() accepts a zeroed tree, too. */
int tree_init(struct tree *tree);
void tree_fini(struct tree *tree);

/* -- writing -- */

/* Opens the root (""), or a node in the one that is open; a node may have a label, for overlays,
 * and so a phandle, which is returned (else 0). */
uint32_t tree_open(struct tree *tree, const char *label, const char *name);
/* A node whose name ends in "@address". */
uint32_t tree_open_at(struct tree *tree, const char *label, const char *name, uint64_t address);
void tree_close(struct tree *tree);

void tree_flag(struct tree *tree, const char *name);
void tree_string(struct tree *tree, const char *name, const char *text);
/* Strings that each end with their NUL; `size` counts the last one, too. */
void tree_strings(struct tree *tree, const char *name, const char *strings, size_t size);
void tree_cells(struct tree *tree, const char *name, const uint32_t *cells, size_t count);
void tree_cell(struct tree *tree, const char *name, uint32_t cell);
/* "reg" of ranges, each address and size, in two cells each. */
void tree_reg(struct tree *tree, const uint64_t *ranges, size_t count);

/* #address-cells and #size-cells of the node that is open. */
void tree_cell_counts(struct tree *tree, uint32_t address_cells, uint32_t size_cells);

/* What each architecture says in the same words: /memory, in all regions of RAM. */
void tree_memory(struct tree *tree, const struct memory *mem);

/* Ends the writing: labels, for overlays. */
void tree_written(struct tree *tree);

/* -- the rest; -errno is logged, with the file's name in front -- */

/* Takes a whole tree from a file, instead of writing one: -EINVAL if it is none. */
int tree_read(struct tree *tree, const struct image *file);

/* What the kernel is told beside the machine. */
struct tree_chosen {
    const char *bootargs;
    const char *stdout_path; /* NULL: none, or what the tree says itself */
    gpa_t initrd_start;
    uint64_t initrd_size;             /* 0: none */
    const struct platform_seed *seed; /* NULL: no rng-seed, no kaslr-seed */
};
int tree_choose(struct tree *tree, const struct tree_chosen *chosen);

/* Applies an overlay (.dtbo): -EINVAL if it is none or does not apply, naming its fragment. */
int tree_overlay(struct tree *tree, const struct image *file);

/* All of these: the machine's tree, by `write` or the user's file, /chosen, the user's overlays.
 * tree_fini() may follow in any case. */
int tree_make(struct tree *tree, const struct platform *platform,
              void (*write)(const struct platform *platform, struct tree *tree),
              const struct tree_chosen *chosen);

/* The size of the tree, without what was spare. */
size_t tree_end(struct tree *tree);

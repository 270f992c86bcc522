/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See tree.h: what is done to a whole tree. Files are not trusted: libfdt checks a tree from end to
 * end (fdt_check_full) before a byte of it is used. libfdt does not tell why an overlay does not
 * apply, so what it could stumble over is looked for first.
 */
#include "arch/tree.h"
#include "vmm/base/log.h"

#include <libfdt.h>
#include <stdio.h>
#include <string.h>

/* -- reading -- */

/* Linux goes no deeper; nor shall libfdt, which applies overlays by recursion. */
#define DEPTH_MAX 64

static bool too_deep(const void *fdt)
{
    int depth = 0, node = 0;

    while (node >= 0 && depth < DEPTH_MAX)
        node = fdt_next_node(fdt, node, &depth);
    return node >= 0;
}

static int check_file(const struct image *file, const char *what)
{
    int error = fdt_check_full(file->bytes, file->size);

    if (error == 0 && too_deep(file->bytes))
        return log_plain(-EINVAL, "%s: nodes nested more than %d deep", file->name, DEPTH_MAX);
    if (error == 0)
        return 0;
    if (file->size < 4 || fdt32_ld((const fdt32_t *)(const void *)file->bytes) != FDT_MAGIC)
        return log_plain(-EINVAL, "%s: not %s; compile one with dtc", file->name, what);
    return log_plain(-EINVAL, "%s: a device tree, but damaged (%s)", file->name,
                     fdt_strerror(error));
}

int tree_read(struct tree *tree, const struct image *file)
{
    int r = check_file(file, "a device tree (.dtb)");

    if (r < 0)
        return r;
    if (fdt_path_offset(file->bytes, "/__fixups__") >= 0 ||
        fdt_path_offset(file->bytes, "/fragment@0/__overlay__") >= 0)
        return log_plain(-EINVAL, "%s: an overlay, not a whole device tree; give it as --dtbo",
                         file->name);
    tree->error = fdt_open_into(file->bytes, tree->fdt, (int)TREE_BYTES_MAX);
    if (tree->error != 0)
        return log_plain(-EINVAL, "%s: %s; a device tree may have 2 MiB", file->name,
                         fdt_strerror(tree->error));
    return 0;
}

/* -- /chosen -- */

static int set_string(void *fdt, int node, const char *name, const char *text)
{
    return fdt_setprop(fdt, node, name, text, (int)strlen(text) + 1);
}

static int choose(void *fdt, int node, const struct tree_chosen *chosen)
{
    const struct platform_seed *seed = chosen->seed;
    int r = set_string(fdt, node, "bootargs", chosen->bootargs);

    if (r == 0 && chosen->stdout_path != NULL)
        r = set_string(fdt, node, "stdout-path", chosen->stdout_path);
    if (r == 0 && chosen->initrd_size > 0)
        r = fdt_setprop_u64(fdt, node, "linux,initrd-start", chosen->initrd_start);
    if (r == 0 && chosen->initrd_size > 0)
        r = fdt_setprop_u64(fdt, node, "linux,initrd-end",
                            chosen->initrd_start + chosen->initrd_size);
    if (r == 0 && seed != NULL)
        r = fdt_setprop(fdt, node, "rng-seed", seed->rng, sizeof(seed->rng));
    if (r == 0 && seed != NULL)
        r = fdt_setprop(fdt, node, "kaslr-seed", seed->kaslr, sizeof(seed->kaslr));
    return r;
}

int tree_choose(struct tree *tree, const struct tree_chosen *chosen)
{
    int node = tree->error;

    if (node == 0)
        node = fdt_path_offset(tree->fdt, "/chosen");
    if (node == -FDT_ERR_NOTFOUND)
        node = fdt_add_subnode(tree->fdt, 0, "chosen");
    tree->error = node < 0 ? node : choose(tree->fdt, node, chosen);
    if (tree->error == 0)
        return 0;
    return log_plain(-EINVAL, "device tree: %s", fdt_strerror(tree->error));
}

/* -- overlays -- */

static int not_applied(const struct image *file, const char *fragment, const char *what,
                       const char *name)
{
    return log_plain(-EINVAL, "%s: %s: the device tree has no %s %s", file->name, fragment, what,
                     name);
}

/* What an overlay refers to by label must be a symbol of the tree. The value of a fix-up is
 * "/fragment@0:target:0" or "/fragment@0/__overlay__/node:property:offset", one or more. */
static int check_labels(const struct tree *tree, const struct image *file)
{
    int fixups = fdt_path_offset(file->bytes, "/__fixups__");
    int symbols = fdt_path_offset(tree->fdt, "/__symbols__");
    int property;

    if (fixups < 0)
        return 0;
    fdt_for_each_property_offset(property, file->bytes, fixups)
    {
        const char *label;
        int len;
        const char *where = fdt_getprop_by_offset(file->bytes, property, &label, &len);
        if (where == NULL || len < 2 || where[len - 1] != '\0')
            return log_plain(-EINVAL, "%s: damaged: __fixups__", file->name);
        if (symbols >= 0 && fdt_getprop(tree->fdt, symbols, label, NULL) != NULL)
            continue;
        char fragment[64];
        (void)snprintf(fragment, sizeof(fragment), "%.*s", (int)strcspn(where + 1, "/:"),
                       where + 1);
        return not_applied(file, fragment, "label", label);
    }
    return 0;
}

/* Whether each number in a node of __local_fixups__ is a place in the property of the same name. */
static bool local_fixups_fit(const void *fdt, int fixups, int node)
{
    int property, len, size;
    const char *name;

    fdt_for_each_property_offset(property, fdt, fixups)
    {
        const fdt32_t *places = fdt_getprop_by_offset(fdt, property, &name, &len);
        if (places == NULL || fdt_getprop(fdt, node, name, &size) == NULL)
            return false;
        for (int i = 0; i < len / (int)sizeof(*places); i++)
            if (size < (int)sizeof(fdt32_t) ||
                fdt32_ld(&places[i]) > (uint32_t)size - sizeof(fdt32_t))
                return false;
    }
    return true;
}

/* libfdt believes what __local_fixups__ says: where phandles are, in nodes of the same names. */
static int check_local_fixups(const struct image *file)
{
    const void *fdt = file->bytes;
    int fixups = fdt_path_offset(fdt, "/__local_fixups__");
    int node[DEPTH_MAX] = {0}; /* by depth: what the node below __local_fixups__ speaks of */
    int depth = 0;

    while (fixups >= 0 && depth >= 0) {
        assert(depth < DEPTH_MAX); /* see too_deep() */
        if (depth > 0)
            node[depth] = fdt_subnode_offset(fdt, node[depth - 1], fdt_get_name(fdt, fixups, NULL));
        if (node[depth] < 0 || !local_fixups_fit(fdt, fixups, node[depth]))
            return log_plain(-EINVAL, "%s: damaged: __local_fixups__", file->name);
        fixups = fdt_next_node(fdt, fixups, &depth); /* behind the last one depth is -1 */
    }
    return 0;
}

/* A target that is a number; all ones stands for a label, which check_labels() saw to. */
static int check_phandle(const struct tree *tree, const struct image *file, int fragment)
{
    int len;
    const void *target = fdt_getprop(file->bytes, fragment, "target", &len);
    char text[16];

    if (len != sizeof(fdt32_t))
        return not_applied(file, fdt_get_name(file->bytes, fragment, NULL), "node for its",
                           "target");
    uint32_t phandle = fdt32_ld(target);
    if (phandle == UINT32_MAX || fdt_node_offset_by_phandle(tree->fdt, phandle) >= 0)
        return 0;
    (void)snprintf(text, sizeof(text), "0x%x", phandle);
    return not_applied(file, fdt_get_name(file->bytes, fragment, NULL), "phandle", text);
}

/* Where a fragment goes by path must be a node of the tree; each needs one or the other. */
static int check_targets(const struct tree *tree, const struct image *file)
{
    int fragment, count = 0, r;

    fdt_for_each_subnode(fragment, file->bytes, 0)
    {
        const char *name = fdt_get_name(file->bytes, fragment, NULL);
        int len;
        if (fdt_subnode_offset(file->bytes, fragment, "__overlay__") < 0)
            continue;
        count++;
        const char *path = fdt_getprop(file->bytes, fragment, "target-path", &len);
        if (path == NULL && fdt_getprop(file->bytes, fragment, "target", NULL) == NULL)
            return log_plain(-EINVAL, "%s: %s: has neither target nor target-path", file->name,
                             name);
        r = path == NULL ? check_phandle(tree, file, fragment) : 0;
        if (r < 0)
            return r;
        if (path != NULL && (len < 2 || fdt_path_offset_namelen(tree->fdt, path, len - 1) < 0))
            return not_applied(file, name, "node", len < 2 ? "of an empty name" : path);
    }
    if (count == 0)
        return log_plain(-EINVAL, "%s: a device tree without a fragment; is it an overlay?",
                         file->name);
    return 0;
}

int tree_overlay(struct tree *tree, const struct image *file)
{
    int r = check_file(file, "a device tree overlay (.dtbo)");

    if (r == 0)
        r = check_labels(tree, file);
    if (r == 0)
        r = check_targets(tree, file);
    if (r == 0)
        r = check_local_fixups(file);
    if (r < 0)
        return r;
    auto_free uint8_t *overlay = malloc(file->size); /* libfdt changes it */
    if (overlay == NULL)
        return log_error(-ENOMEM, "%s", file->name);
    memcpy(overlay, file->bytes, file->size);
    tree->error = fdt_overlay_apply(tree->fdt, overlay);
    if (tree->error == 0)
        return 0;
    return log_plain(-EINVAL, "%s: does not apply to the device tree (%s)", file->name,
                     fdt_strerror(tree->error));
}

int tree_make(struct tree *tree, const struct platform *platform,
              void (*write)(const struct platform *platform, struct tree *tree),
              const struct tree_chosen *chosen)
{
    const struct platform_tree *wanted = &platform->tree;
    int r = tree_init(tree);

    if (r < 0)
        return r;
    if (wanted->base.size == 0)
        write(platform, tree);
    else
        r = tree_read(tree, &wanted->base);
    if (r == 0)
        r = tree_choose(tree, chosen);
    for (unsigned i = 0; i < wanted->overlay_count && r == 0; i++)
        r = tree_overlay(tree, &wanted->overlay[i]);
    return r;
}

size_t tree_end(struct tree *tree)
{
    assert(tree->error == 0);
    (void)fdt_pack(tree->fdt); /* fails on our own bugs only */
    return fdt_totalsize(tree->fdt);
}

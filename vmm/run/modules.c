/* SPDX-License-Identifier: BSD-3-Clause */
/* See modules.h. */
#include "vmm/run/modules.h"

#include "vmm/base/log.h"

#include <elf.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

/* -- .modinfo -- */

/* Section `index` of a module of 64 bits; false if the file does not have it whole. */
static bool section(const struct bytes *module, const Elf64_Ehdr *head, unsigned index,
                    Elf64_Shdr *ret_section)
{
    size_t at;

    if (index >= head->e_shnum || ckd_add(&at, head->e_shoff, index * sizeof(*ret_section)) ||
        at > module->size || module->size - at < sizeof(*ret_section))
        return false;
    memcpy(ret_section, module->at + at, sizeof(*ret_section));
    return ret_section->sh_offset <= module->size &&
           ret_section->sh_size <= module->size - ret_section->sh_offset;
}

/* "key=value" with NULs between. */
static const char *info_find(const char *text, size_t size, const char *key)
{
    size_t len = strlen(key);

    while (size > 0) {
        size_t one = strnlen(text, size);
        if (one == size)
            return NULL; /* its end is not there */
        if (one > len && strncmp(text, key, len) == 0 && text[len] == '=')
            return text + len + 1;
        text += one + 1;
        size -= one + 1;
    }
    return NULL;
}

const char *module_info(const struct bytes *module, const char *key)
{
    static const char name[] = ".modinfo";
    Elf64_Ehdr head;
    Elf64_Shdr names, one;

    if (module->size < sizeof(head) || memcmp(module->at, ELFMAG, SELFMAG) != 0)
        return NULL;
    memcpy(&head, module->at, sizeof(head));
    if (head.e_ident[EI_CLASS] != ELFCLASS64 || head.e_shentsize != sizeof(one) ||
        !section(module, &head, head.e_shstrndx, &names))
        return NULL;
    for (unsigned i = 0; i < head.e_shnum; i++)
        if (section(module, &head, i, &one) && one.sh_name <= names.sh_size &&
            names.sh_size - one.sh_name >= sizeof(name) &&
            memcmp(module->at + names.sh_offset + one.sh_name, name, sizeof(name)) == 0)
            return info_find((const char *)module->at + one.sh_offset, one.sh_size, key);
    return NULL;
}

/* -- lists of paths -- */

/* A path's last part without ".ko" (".o" in some build trees) and what is behind it, as a name. */
static void name_of(const char *path, size_t len, char ret_name[MODULE_NAME_SIZE])
{
    const char *slash = memrchr(path, '/', len);
    const char *base = slash == NULL ? path : slash + 1;
    size_t base_len = MIN((size_t)(path + len - base), (size_t)MODULE_NAME_SIZE - 1), i;

    for (i = 0; i < base_len && base[i] != '.'; i++)
        ret_name[i] = (char)(base[i] == '-' ? '_' : base[i]);
    ret_name[i] = '\0';
}

/* The path of a module in a list, one a line, which a colon may end: its length, 0 if it is not
 * there. */
static size_t list_find(const struct bytes *list, const char *name, const char **ret_path)
{
    const char *at = (const char *)list->at, *end = at + list->size;
    char one[MODULE_NAME_SIZE];

    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        size_t line = (size_t)((line_end == NULL ? end : line_end) - at);
        const char *colon = memchr(at, ':', line);
        size_t len = colon == NULL ? line : (size_t)(colon - at);
        name_of(at, len, one);
        if (strcmp(one, name) == 0) {
            *ret_path = at;
            return len;
        }
        at += line + 1;
    }
    return 0;
}

static int list_read(struct bytes *list, const char *folder, const char *file)
{
    char path[PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s/%s", folder, file);
    return bytes_add_file(list, path);
}

int modules_open(struct modules *modules, const char *folder)
{
    modules->folder = folder;
    int order = list_read(&modules->order, folder, "modules.order");
    int dep = list_read(&modules->dep, folder, "modules.dep");
    (void)list_read(&modules->built_in, folder, "modules.builtin"); /* then all are looked for */
    return order < 0 && dep < 0 ? -ENOENT : 0;
}

void modules_close(struct modules *modules)
{
    while (modules->count > 0)
        bytes_free(&modules->list[--modules->count].bytes);
    bytes_free(&modules->order);
    bytes_free(&modules->dep);
    bytes_free(&modules->built_in);
}

/* -- adding -- */

/* Lists may name it with another ending than it has. */
static int module_read(const struct modules *modules, const char *listed, size_t len,
                       struct bytes *ret_bytes)
{
    static const char *const endings[] = {".ko", ".ko.xz", ".ko.zst", ".ko.gz"};
    const char *slash = memrchr(listed, '/', len), *base = slash == NULL ? listed : slash;
    const char *dot = memchr(base, '.', (size_t)(listed + len - base));
    int stem = (int)(dot == NULL ? len : (size_t)(dot - listed)), r = -ENOENT;
    char path[PATH_MAX];

    for (size_t i = 0; i < ARRAY_SIZE(endings) && r == -ENOENT; i++) {
        (void)snprintf(path, sizeof(path), "%s/%.*s%s", modules->folder, stem, listed, endings[i]);
        r = bytes_add_unpacked(ret_bytes, path);
    }
    if (r < 0)
        return log_error(r, "module %s/%.*s.ko", modules->folder, stem, listed);
    return 0;
}

static bool is_listed(const struct modules *modules, const char *name)
{
    for (unsigned i = 0; i < modules->count; i++)
        if (strcmp(modules->list[i].name, name) == 0)
            return true;
    return false;
}

bool modules_built_in(const struct modules *modules, const char *name)
{
    const char *path;

    return list_find(&modules->built_in, name, &path) > 0;
}

static int add_at(struct modules *modules, const char *wanted, unsigned depth);

/* "depends=virtio,virtio_ring". */
static int add_needed(struct modules *modules, const struct bytes *module, unsigned depth)
{
    const char *at = module_info(module, "depends");
    char name[MODULE_NAME_SIZE];
    int r = 0;

    while (at != NULL && *at != '\0' && r >= 0) {
        size_t len = strcspn(at, ",");
        (void)snprintf(name, sizeof(name), "%.*s", (int)MIN(len, sizeof(name) - 1), at);
        r = add_at(modules, name, depth + 1);
        at += len + (at[len] == ',');
    }
    return r;
}

/* A chain of modules that need each other in a circle ends, as no chain has more than all. */
static int add_at(struct modules *modules, const char *wanted, unsigned depth)
{
    char name[MODULE_NAME_SIZE];
    struct bytes bytes = {0};
    const char *path;

    name_of(wanted, strlen(wanted), name);
    if (is_listed(modules, name) || modules_built_in(modules, name))
        return 0;
    size_t len = list_find(&modules->order, name, &path);
    if (len == 0)
        len = list_find(&modules->dep, name, &path);
    if (len == 0)
        return 0;
    if (depth >= MODULES_MAX)
        return log_error(-ELOOP, "module %s in %s", name, modules->folder);
    int r = module_read(modules, path, len, &bytes);
    if (r == 0)
        r = add_needed(modules, &bytes, depth);
    if (r >= 0 && modules->count == MODULES_MAX)
        r = log_error(-E2BIG, "module %s", name);
    if (r < 0) {
        bytes_free(&bytes);
        return r;
    }
    struct module *module = &modules->list[modules->count++];
    module->bytes = bytes;
    (void)snprintf(module->name, sizeof(module->name), "%s", name);
    return 1;
}

int modules_add(struct modules *modules, const char *name)
{
    return add_at(modules, name, 0);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* See kernel.h. */
#include "vmm/run/kernel.h"

#include "arch/arch.h"
#include "vmm/base/text.h"
#include "vmm/config/opts.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define INSTALLED_SIZE 512 /* of what a message tells of kernels that are there */

/* -- release -- */

/* Copies up to a space or a strange byte; false if that is at once. */
static bool release_copy(const uint8_t *from, size_t size, char ret_release[RELEASE_SIZE])
{
    size_t len = 0;

    while (len < size && len < RELEASE_SIZE - 1 && from[len] > ' ' && from[len] < 0x7f &&
           from[len] != '/')
        len++;
    memcpy(ret_release, from, len);
    ret_release[len] = '\0';
    return len > 0;
}

/* x86's boot protocol: 0x20e has the offset from 0x200 of a text that begins with the release. */
static bool release_of_bzimage(const uint8_t *file, size_t size, char ret_release[RELEASE_SIZE])
{
    if (size < 0x210 || memcmp(file + 0x202, "HdrS", 4) != 0)
        return false;
    size_t at = 0x200u + file[0x20e] + file[0x20f] * 256u;
    return at > 0x200 && at < size && release_copy(file + at, size - at, ret_release);
}

/* "Linux version 6.12.1 (...": where it is not the format that this is written by. */
static bool release_in_text(const uint8_t *file, size_t size, char ret_release[RELEASE_SIZE])
{
    static const char mark[] = "Linux version ";
    const uint8_t *end = file + size, *at = file;

    while ((at = memmem(at, (size_t)(end - at), mark, sizeof(mark) - 1)) != NULL) {
        at += sizeof(mark) - 1;
        if (at < end && *at >= '0' && *at <= '9')
            return release_copy(at, (size_t)(end - at), ret_release);
    }
    return false;
}

bool run_kernel_release(const char *file, char ret_release[RELEASE_SIZE])
{
    const char *name = strrchr(file, '/'), *packed = "vmlinuz-";
    auto_close int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size == 0)
        return false;
    size_t size = (size_t)st.st_size;
    uint8_t *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return false;
    name = name == NULL ? file : name + 1;
    bool found = release_of_bzimage(bytes, size, ret_release);
    if (!found && strncmp(name, packed, strlen(packed)) == 0) /* it may be packed */
        found = release_copy((const uint8_t *)name + strlen(packed), strlen(name + strlen(packed)),
                             ret_release);
    if (!found)
        found = release_in_text(bytes, size, ret_release);
    (void)munmap(bytes, size);
    return found;
}

/* -- paths -- */

static bool is_kind(const char *path, mode_t kind)
{
    struct stat st;

    return stat(path, &st) == 0 && (st.st_mode & S_IFMT) == kind;
}

PRINTF_LIKE(2, 3) static bool join(char path[PATH_MAX], const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    int len = vsnprintf(path, PATH_MAX, fmt, args);
    va_end(args);
    return len > 0 && len < PATH_MAX;
}

/* The folder that `path` is in, without the last slash; "." for a name alone. */
static void folder_of(char folder[PATH_MAX], const char *path)
{
    const char *slash = strrchr(path, '/');

    if (slash == NULL)
        (void)join(folder, ".");
    else
        (void)join(folder, "%.*s", (int)(slash - path), path);
}

static void parent_of(char parent[PATH_MAX], const char *folder)
{
    const char *slash = strrchr(folder, '/'), *name = slash == NULL ? folder : slash + 1;

    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        (void)join(parent, "%s/..", folder);
    else
        folder_of(parent, folder);
}

/* -- kernels of a folder such as /boot -- */

struct found {
    char newest[PATH_MAX];     /* that can be read; "": none */
    char unreadable[PATH_MAX]; /* one that can't; "": none */
    char names[INSTALLED_SIZE];
};

static void found_add(struct found *found, const char *path, const char *release)
{
    size_t len = strlen(found->names);

    (void)snprintf(found->names + len, sizeof(found->names) - len, "%s%s", len > 0 ? ", " : "",
                   release);
    if (access(path, R_OK) < 0)
        (void)join(found->unreadable, "%s", path);
    else if (found->newest[0] == '\0' || strverscmp(path, found->newest) > 0)
        (void)join(found->newest, "%s", path);
}

static void found_look(struct found *found, const char *folder)
{
    const size_t prefix = strlen("vmlinuz-");
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    char path[PATH_MAX];

    *found = (struct found){0};
    while (dir != NULL && (entry = readdir(dir)) != NULL)
        if (strncmp(entry->d_name, "vmlinuz-", prefix) == 0 &&
            join(path, "%s/%s", folder, entry->d_name))
            found_add(found, path, entry->d_name + prefix);
    if (dir != NULL)
        (void)closedir(dir);
}

/* Newer packages have it among its modules. */
static void found_look_at_modules(struct found *found, const char *folder)
{
    char modules[PATH_MAX], path[PATH_MAX];
    DIR *dir = join(modules, "%s/lib/modules", folder) ? opendir(modules) : NULL;
    const struct dirent *entry;

    while (dir != NULL && (entry = readdir(dir)) != NULL)
        if (join(path, "%s/%s/vmlinuz", modules, entry->d_name) && is_kind(path, S_IFREG))
            found_add(found, path, entry->d_name);
    if (dir != NULL)
        (void)closedir(dir);
}

/* -- what KERNEL means -- */

static int find_newest(const char *root, struct run_kernel *kernel)
{
    struct found found;
    char boot[PATH_MAX];

    if (!join(boot, "%s/boot", root))
        return -EINVAL;
    found_look(&found, boot);
    if (found.newest[0] != '\0')
        return join(kernel->file, "%s", found.newest) ? 0 : -EINVAL;
    if (found.unreadable[0] != '\0')
        return opts_error(
            "KERNEL: %s can't be read; try: sudo chmod 644 %s, or name another kernel",
            found.unreadable, found.unreadable);
    return opts_error("KERNEL: none given and no %s/vmlinuz-* to take; name one, as in linnet run "
                      "bzImage -- uname -a",
                      boot);
}

/* A build tree, or what a package has in it. */
static int find_in_folder(const char *folder, struct run_kernel *kernel)
{
    struct found found;
    char boot[PATH_MAX], usr[PATH_MAX], quote[TEXT_QUOTE_SIZE];

    if (!join(kernel->file, "%s/%s", folder, arch_layout->kernel_in_tree) ||
        !join(boot, "%s/boot", folder) || !join(usr, "%s/usr", folder))
        return opts_error("KERNEL: the path is too long");
    if (is_kind(kernel->file, S_IFREG))
        return 0;
    found_look(&found, boot);
    found_look_at_modules(&found, folder);
    found_look_at_modules(&found, usr);
    if (found.newest[0] != '\0')
        return join(kernel->file, "%s", found.newest) ? 0 : -EINVAL;
    return opts_error(
        "KERNEL %s: a folder with no %s, boot/vmlinuz-* or lib/modules/*/vmlinuz in it; "
        "build one, or name a file",
        text_quote(quote, folder), arch_layout->kernel_in_tree);
}

static int find_release(const char *root, const char *word, struct run_kernel *kernel)
{
    struct found found;
    char boot[PATH_MAX], quote[TEXT_QUOTE_SIZE];

    if (strchr(word, '/') == NULL) {
        if (join(kernel->file, "%s/boot/vmlinuz-%s", root, word) && is_kind(kernel->file, S_IFREG))
            return 0;
        if (join(kernel->file, "%s/lib/modules/%s/vmlinuz", root, word) &&
            is_kind(kernel->file, S_IFREG))
            return 0;
    }
    (void)join(boot, "%s/boot", root);
    found_look(&found, boot);
    return opts_error("KERNEL %s: no such file, build tree or release; installed: %s",
                      text_quote(quote, word), found.names[0] != '\0' ? found.names : "none");
}

/* -- modules -- */

static bool is_modules(const char *folder)
{
    char list[PATH_MAX];

    return (join(list, "%s/modules.order", folder) && is_kind(list, S_IFREG)) ||
           (join(list, "%s/modules.dep", folder) && is_kind(list, S_IFREG));
}

/* FOLDER/lib/modules/RELEASE, into *ret_modules; "" if it is none. */
static bool modules_below(const char *folder, const char *release, char ret_modules[PATH_MAX])
{
    if (release[0] != '\0' && join(ret_modules, "%s/lib/modules/%s", folder, release) &&
        is_modules(ret_modules))
        return true;
    ret_modules[0] = '\0';
    return false;
}

/* The tree that a kernel was built in, as arch/x86/boot/bzImage in it. */
static bool tree_of(const char *file, char ret_tree[PATH_MAX])
{
    size_t len = strlen(file), in_tree = strlen(arch_layout->kernel_in_tree);

    if (len < in_tree || strcmp(file + len - in_tree, arch_layout->kernel_in_tree) != 0)
        return false;
    if (len == in_tree)
        return join(ret_tree, ".");
    return file[len - in_tree - 1] == '/' && join(ret_tree, "%.*s", (int)(len - in_tree - 1), file);
}

static void find_modules(const char *root, struct run_kernel *kernel)
{
    char folder[PATH_MAX], parent[PATH_MAX], near[PATH_MAX];

    if (tree_of(kernel->file, folder) && is_modules(folder)) {
        (void)join(kernel->modules, "%s", folder);
        return;
    }
    folder_of(folder, kernel->file);
    if (is_modules(folder)) { /* which have it among them */
        (void)join(kernel->modules, "%s", folder);
        return;
    }
    parent_of(parent, folder);
    if (modules_below(folder, kernel->release, kernel->modules) ||
        (join(near, "%s/modules", folder) &&
         modules_below(near, kernel->release, kernel->modules)) ||
        modules_below(parent, kernel->release, kernel->modules) ||
        (join(near, "%s/usr", parent) && modules_below(near, kernel->release, kernel->modules)))
        return;
    (void)modules_below(root, kernel->release, kernel->modules);
}

static int take_modules(const char *said, struct run_kernel *kernel)
{
    char quote[TEXT_QUOTE_SIZE];

    if (is_modules(said))
        return join(kernel->modules, "%s", said) ? 0 : -EINVAL;
    if (modules_below(said, kernel->release, kernel->modules))
        return 0;
    return opts_error("--modules %s: no modules.order or modules.dep there, nor in lib/modules/%s "
                      "below; name the folder of this kernel's modules, auto or none",
                      text_quote(quote, said), kernel->release);
}

int run_kernel_find(const char *root, const char *word, const char *modules,
                    struct run_kernel *kernel)
{
    int r;

    *kernel = (struct run_kernel){0};
    if (word == NULL)
        r = find_newest(root, kernel);
    else if (is_kind(word, S_IFDIR))
        r = find_in_folder(word, kernel);
    else if (is_kind(word, S_IFREG))
        r = join(kernel->file, "%s", word) ? 0 : -EINVAL;
    else
        r = find_release(root, word, kernel);
    if (r < 0)
        return r;
    (void)run_kernel_release(kernel->file, kernel->release); /* then no modules are found by it */
    if (modules != NULL)
        return take_modules(modules, kernel);
    find_modules(root, kernel);
    return 0;
}

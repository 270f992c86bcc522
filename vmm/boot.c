/* SPDX-License-Identifier: BSD-3-Clause */
/* See boot.h. Files are mapped for as long as loading takes. */
#include "vmm/boot.h"

#include "arch/kernel_cache.h"
#include "vmm/base/log.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>

static const struct opt overlay_opts[] = {
    {.name = "path",
     .help = "file, as dtc -@ makes it",
     .type = OPT_PATH,
     .flags = OPT_REQUIRED | OPT_POSITIONAL},
    {0},
};

const struct config_device_kind boot_overlay_kind = {
    .name = "dtbo",
    .help = "device tree overlay, applied in the order given; --dtbo FILE is the same as path=",
    .opts = overlay_opts,
    .count_max = PLATFORM_OVERLAYS_MAX,
};

/* Maps a whole file for reading; its status before that is left in *ret_st. (Who opens what may be
 * a pipe does not wait for its other end: our signals are blocked by now.) */
static int image_open_stat(const char *what, const char *path, struct image *ret_image,
                           struct stat *ret_st)
{
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return log_error(-errno, "%s %s", what, path);
    if (S_ISDIR(st.st_mode))
        return log_error(-EISDIR, "%s %s: give a file", what, path);
    if (!S_ISREG(st.st_mode))
        return opts_error("%s %s: not a regular file; give one", what, path);
    if (st.st_size == 0)
        return log_error(-ENOEXEC, "%s %s: the file is empty", what, path);
    void *bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return log_error(-errno, "%s %s: map", what, path);
    *ret_image = (struct image){path, bytes, (size_t)st.st_size};
    *ret_st = st;
    return 0;
}

static int image_open(const char *what, const char *path, struct image *ret_image)
{
    struct stat st;

    return image_open_stat(what, path, ret_image, &st);
}

static void image_close(struct image *image)
{
    if (image->size > 0)
        (void)munmap((void *)(uintptr_t)image->bytes, image->size);
    *image = (struct image){0};
}

/* -- cache of unpacked kernels -- */

/* Leaves the cache closed where there is none to be had: then kernels are unpacked, that is all. */
static void cache_open(const struct opts *options, const struct stat *kernel,
                       struct kernel_cache *cache)
{
    char standard[PATH_MAX];
    const char *folder = standard;
    size_t where = opts_choice(options, "kernel-cache");
    int r = 0;

    if (where == CONFIG_KERNEL_CACHE_OFF)
        return;
    if (where == CONFIG_KERNEL_CACHE_DIR)
        folder = opts_choice_arg(options, "kernel-cache");
    else
        r = kernel_cache_folder(standard);
    if (r == 0)
        r = kernel_cache_open(cache, folder, kernel);
    if (r < 0 && r != -EAGAIN && where == CONFIG_KERNEL_CACHE_DIR)
        log_warn("--kernel-cache %s: not used: %s", folder, strerror(-r));
    else if (r < 0)
        log_debug("kernel cache: not used: %s", strerror(-r));
}

/* -- device tree -- */

static int tree_open_files(const struct config *config, struct platform_tree *tree)
{
    const struct opts *options = config->options;
    unsigned count = config_count(config, boot_overlay_kind.name);
    int r = 0;

    tree->wanted = opts_bool(options, "device-tree") || opts_has(options, "dump-dtb") ||
                   opts_has(options, "dtb") || count > 0;
    if (opts_has(options, "dtb"))
        r = image_open("--dtb", opts_str(options, "dtb"), &tree->base);
    while (tree->overlay_count < count && r == 0) {
        const struct opts *overlay =
            config_device(config, boot_overlay_kind.name, tree->overlay_count);
        r = image_open("--dtbo", opts_str(overlay, "path"), &tree->overlay[tree->overlay_count]);
        if (r == 0)
            tree->overlay_count++;
    }
    return r;
}

static void tree_close_files(struct platform_tree *tree)
{
    while (tree->overlay_count > 0)
        image_close(&tree->overlay[--tree->overlay_count]);
    image_close(&tree->base);
}

/* Numbers that follow from `number` (the SplitMix64 generator). */
static void seed_fill(void *bytes, size_t size, uint64_t *number)
{
    for (size_t at = 0; at < size; at += sizeof(le64)) {
        uint64_t z = *number += 0x9e3779b97f4a7c15;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
        z = (z ^ z >> 27) * 0x94d049bb133111eb;
        le64 wire = to_le64(z ^ z >> 31);
        memcpy((uint8_t *)bytes + at, &wire, MIN(sizeof(wire), size - at));
    }
}

static int seed_make(const struct opts *options, struct platform_seed *ret_seed)
{
    if (opts_has(options, "seed")) {
        uint64_t number = opts_u64(options, "seed");
        seed_fill(ret_seed->rng, sizeof(ret_seed->rng), &number);
        seed_fill(ret_seed->kaslr, sizeof(ret_seed->kaslr), &number);
        return 0;
    }
    if (getrandom(ret_seed, sizeof(*ret_seed), 0) != sizeof(*ret_seed))
        return log_error(-errno, "random bytes for the guest");
    return 0;
}

static int tree_dump(const char *path, const struct memory *mem, const struct arch_entry *entry)
{
    auto_close int fd =
        open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0666);
    const void *bytes = memory_at(mem, entry->tree, entry->tree_size);

    assert(bytes != NULL && entry->tree_size > 0);
    if (fd < 0)
        return log_error(-errno, "--dump-dtb %s", path);
    ssize_t n = write(fd, bytes, entry->tree_size);
    if (n != (ssize_t)entry->tree_size)
        return log_error(n < 0 ? -errno : -ENOSPC, "--dump-dtb %s: write", path);
    return 0;
}

int boot_load(const struct config *config, const struct image *made, struct platform *platform,
              struct arch_entry *ret_entry)
{
    const struct opts *options = config->options;
    struct image kernel = {0}, initrd = {0};
    struct platform_seed seed;
    struct kernel_cache cache = {0};
    struct stat kernel_st;

    int r = image_open_stat("kernel", opts_str(options, "kernel"), &kernel, &kernel_st);
    if (r == 0 && platform->direct)
        cache_open(options, &kernel_st, &cache);
    platform->cache = &cache;
    if (r == 0 && made == NULL && opts_has(options, "initrd"))
        r = image_open("--initrd", opts_str(options, "initrd"), &initrd);
    if (r == 0)
        r = tree_open_files(config, &platform->tree);
    if (r == 0)
        r = seed_make(options, &seed);
    platform->seed = &seed;
    if (r == 0)
        r = arch_load(platform, &kernel, made != NULL ? made : &initrd, ret_entry);
    if (r == 0 && opts_has(options, "dump-dtb"))
        r = tree_dump(opts_str(options, "dump-dtb"), platform->mem, ret_entry);
    platform->seed = NULL;
    explicit_bzero(&seed, sizeof(seed)); /* the guest's secret now, which its kernel wipes, too */
    platform->cache = NULL;
    kernel_cache_close(&cache);
    tree_close_files(&platform->tree);
    image_close(&initrd);
    image_close(&kernel);
    return r;
}

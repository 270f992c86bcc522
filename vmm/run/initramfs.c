/* SPDX-License-Identifier: BSD-3-Clause */
/* What the guest's kernel unpacks at its start: init, the modules it needs, and the run file. */
#include "vmm/base/log.h"
#include "vmm/config/transport.h"
#include "vmm/run/cpio.h"
#include "vmm/run/modules.h"
#include "vmm/run/run.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

/* The program, as the Makefile has compiled guest/. */
__asm__(".pushsection .rodata\n"
        ".globl run_guest_init, run_guest_init_end\n"
        "run_guest_init:\n"
        ".incbin \"run_init\"\n"
        "run_guest_init_end:\n"
        ".popsection\n");
extern const uint8_t run_guest_init[], run_guest_init_end[];

extern char **environ;

/* -- which modules -- */

/* What each kind of device needs in the guest; NULL: every guest. */
static const struct {
    const char *kind;
    const char *modules[5];
} needed[] = {
    {NULL, {"virtio_console"}},
    {"share", {"fuse", "virtiofs", "overlay"}},
    {"snd", {"virtio_snd"}},
    {"rng", {"virtio_rng"}},
    {"disk", {"virtio_blk"}},
    {"net", {"virtio_net", "af_packet"}},
    {"vsock", {"vmw_vsock_virtio_transport"}},
    {"balloon", {"virtio_balloon"}},
    {"input", {"virtio_input", "evdev"}},
    {"pmem", {"virtio_pmem"}},
};

/* Where nobody said how devices are to be found: as PCI functions if the kernel itself has their
 * driver. To load that of virtio-mmio takes a guest more than all that it does with either. */
static int transport_choose(const struct modules *modules, struct config *config)
{
    if (opts_given(config->options, "transport") || !modules_built_in(modules, "virtio_pci"))
        return 0;
    return opts_set(config->options, "", "transport", "pci");
}

static int modules_choose(struct modules *modules, const struct run *run,
                          const struct config *config)
{
    int r = 0;

    if (transport_used(config, CONFIG_TRANSPORT_PCI))
        r = modules_add(modules, "virtio_pci");
    if (transport_used(config, CONFIG_TRANSPORT_MMIO) && r >= 0)
        r = modules_add(modules, "virtio_mmio");
    for (size_t i = 0; i < ARRAY_SIZE(needed) && r >= 0; i++) {
        if (needed[i].kind != NULL && config_count(config, needed[i].kind) == 0)
            continue;
        for (size_t j = 0; needed[i].modules[j] != NULL && r >= 0; j++)
            r = modules_add(modules, needed[i].modules[j]);
    }
    if (run->disk.type != NULL && r >= 0) /* they look for crc32c where nobody could load it */
        r = modules_add(modules, "crc32c_generic");
    if (run->disk.type != NULL && r >= 0)
        r = modules_add(modules, run->disk.type);
    return r < 0 ? r : 0;
}

/* -- the run file -- */

PRINTF_LIKE(3, 4) static void add(struct bytes *file, int kind, const char *fmt, ...)
{
    auto_free char *text = NULL;
    va_list args;

    va_start(args, fmt);
    int len = vasprintf(&text, fmt, args);
    va_end(args);
    if (len < 0) {
        text = NULL;
        file->failed = true;
        return;
    }
    const uint8_t first = (uint8_t)kind;
    bytes_add(file, &first, 1);
    bytes_add(file, text, (size_t)len + 1);
}

static void add_where(const struct config *config, struct bytes *file)
{
    char cwd[PATH_MAX];

    if (opts_given(config->options, "cwd"))
        add(file, RUN_CWD, "%s", opts_str(config->options, "cwd"));
    else if (getcwd(cwd, sizeof(cwd)) != NULL)
        add(file, RUN_CWD_TRY, "%s", cwd);
    if (opts_given(config->options, "user"))
        add(file, RUN_USER, "%s", opts_str(config->options, "user"));
}

static void add_tty(struct bytes *file)
{
    struct winsize window = {0};

    if (ioctl(STDIN_FILENO, TIOCGWINSZ, &window) < 0 || window.ws_row == 0)
        window = (struct winsize){.ws_row = 24, .ws_col = 80};
    add(file, RUN_TTY, "%hu %hu", window.ws_row, window.ws_col);
}

/* -- environment -- */

static bool is_name(const char *variable, const char *name, size_t len)
{
    return strncmp(variable, name, len) == 0 && variable[len] == '=';
}

/* Does --env say it? A value of its own comes later in the file and so wins, in init's list too. */
static bool env_is_wanted(const struct config *config, const char *variable)
{
    static const char *const kept[] = {"PATH",  "HOME", "USER", "LOGNAME",
                                       "SHELL", "TERM", "LANG", "TZ"};

    for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
        if (is_name(variable, kept[i], strlen(kept[i])))
            return true;
    if (strncmp(variable, "LC_", 3) == 0)
        return true;
    for (unsigned i = 0; i < config_count(config, "env"); i++) {
        const char *said = opts_str(config_device(config, "env", i), "set");
        if (strcmp(said, "*") == 0 || is_name(variable, said, strlen(said)))
            return true;
    }
    return false;
}

/* Is it set by --env NAME=VALUE? */
static bool env_is_set(const struct config *config, const char *variable, unsigned after)
{
    size_t len = strcspn(variable, "=");

    for (unsigned i = after; i < config_count(config, "env"); i++)
        if (is_name(opts_str(config_device(config, "env", i), "set"), variable, len))
            return true;
    return false;
}

static void add_env(const struct config *config, struct bytes *file)
{
    for (char **variable = environ; variable != NULL && *variable != NULL; variable++)
        if (strchr(*variable, '=') != NULL && env_is_wanted(config, *variable) &&
            !env_is_set(config, *variable, 0))
            add(file, RUN_ENV, "%s", *variable);
    for (unsigned i = 0; i < config_count(config, "env"); i++) {
        const char *said = opts_str(config_device(config, "env", i), "set");
        if (strchr(said, '=') != NULL && !env_is_set(config, said, i + 1))
            add(file, RUN_ENV, "%s", said);
    }
}

/* -- root and shares -- */

/* The kernel's modules where modprobe looks for them, when they are in the root at another place.
 */
static void add_modules_bind(const struct run *run, const char *root, struct bytes *file)
{
    char top[PATH_MAX], folder[PATH_MAX], own[PATH_MAX], resolved[PATH_MAX];
    const struct run_kernel *kernel = &run->kernel;

    if (kernel->modules[0] == '\0' || kernel->release[0] == '\0' || realpath(root, top) == NULL ||
        realpath(kernel->modules, folder) == NULL)
        return;
    size_t len = strcmp(top, "/") == 0 ? 0 : strlen(top);
    if (strncmp(folder, top, len) != 0 || folder[len] != '/')
        return;
    (void)snprintf(own, sizeof(own), "%.*s/lib/modules/%s", (int)len, top, kernel->release);
    if (realpath(own, resolved) != NULL && strcmp(resolved, folder) == 0)
        return;
    const char *name = strrchr(folder, '/') + 1;
    if (strcmp(name, kernel->release) != 0) /* a build tree: modprobe knows nothing of it */
        return;
    add(file, RUN_BIND, "%s", folder + len);
    add(file, RUN_AT, "/lib/modules/%s", kernel->release);
}

static int add_shared(const struct config *config, const char *option, int kind, struct bytes *file)
{
    char host[PATH_MAX], guest[PATH_MAX], tag[RUN_TAG_SIZE];
    int r = 0;

    for (unsigned i = 0; i < config_count(config, option) && r == 0; i++) {
        r = run_folder(config, option, i, host, guest);
        add(file, kind, "%s", run_tag(tag, option, i));
        add(file, RUN_AT, "%s", guest);
    }
    return r;
}

static int add_root(const struct run *run, const struct config *config, struct bytes *file)
{
    const char *root = opts_str(config->options, "root");
    bool disk = strcmp(root, "disk") == 0, none = strcmp(root, "none") == 0;

    add(file, RUN_ROOT, "%s", disk ? "disk" : none ? "none" : "share");
    if (disk) {
        add(file, RUN_DISK, "%s", run->disk.type);
        add(file, RUN_AT, "%s", run->disk.device);
    }
    if (!disk && !none)
        add_modules_bind(run, root, file);
    int r = add_shared(config, "ro", RUN_SHARE_RO, file);
    return r < 0 ? r : add_shared(config, "rw", RUN_SHARE_RW, file);
}

/* Linux counts the cards in the order of their slots. */
static void add_network(const struct config *config, struct bytes *file)
{
    for (unsigned i = 0; i < config_count(config, "net"); i++)
        if (strcmp(opts_str(config_device(config, "net", i), "host"), "user") == 0)
            add(file, RUN_DHCP, "eth%u", i);
}

int run_file_make(const struct run *run, const struct config *config, struct bytes *file)
{
    int r = add_root(run, config, file);

    if (r < 0)
        return r;
    add(file, RUN_HOST, "%s", opts_str(config->options, "name"));
    add_where(config, file);
    add_network(config, file);
    if (opts_bool(config->options, "systemd"))
        add(file, RUN_SYSTEMD, "%s", "");
    if (run->tty)
        add_tty(file);
    add_env(config, file);
    for (char *const *word = run->command; *word != NULL; word++)
        add(file, RUN_ARG, "%s", *word);
    return file->failed ? log_error(-ENOMEM, "run file") : 0;
}

/* -- all of it -- */

static void add_modules(const struct modules *modules, struct bytes *cpio, struct bytes *file)
{
    char name[MODULE_NAME_SIZE + 16];

    for (unsigned i = 0; i < modules->count; i++) {
        const struct module *module = &modules->list[i];
        (void)snprintf(name, sizeof(name), "linnet/%s.ko", module->name);
        cpio_add(cpio, name, S_IFREG | 0644, module->bytes.at, module->bytes.size);
        add(file, RUN_MODULE, "/%s", name);
    }
}

static void archive(const struct modules *modules, struct bytes *cpio, struct bytes *file)
{
    static const char *const folders[] = {"dev", "proc", "sys", "run", "tmp", "linnet"};

    for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
        cpio_add(cpio, folders[i], S_IFDIR | 0755, NULL, 0);
    /* cppcheck-suppress comparePointers */
    const size_t init_size = (size_t)(run_guest_init_end - run_guest_init);
    cpio_add(cpio, "init", S_IFREG | 0755, run_guest_init, init_size);
    add_modules(modules, cpio, file);
    cpio_add(cpio, RUN_FILE, S_IFREG | 0600, file->at, file->size);
    cpio_end(cpio);
}

/* The user's own initramfs comes first: the kernel unpacks one after the other. */
static int add_initrd(const struct config *config, struct bytes *initramfs)
{
    if (!opts_has(config->options, "initrd"))
        return 0;
    const char *path = opts_str(config->options, "initrd");
    int r = bytes_add_file(initramfs, path);
    if (r < 0)
        return log_error(r, "--initrd %s", path);
    bytes_add(initramfs, NULL, -initramfs->size % 4);
    return 0;
}

int run_initramfs_make(struct run *run, struct config *config)
{
    auto_free struct modules *modules = calloc(1, sizeof(*modules));
    struct bytes file = {0};

    if (modules == NULL)
        return log_error(-ENOMEM, "modules");
    int r = 0;
    if (run->kernel.modules[0] != '\0' && modules_open(modules, run->kernel.modules) == 0) {
        r = transport_choose(modules, config);
        if (r == 0)
            r = modules_choose(modules, run, config);
    }
    if (r == 0)
        r = add_initrd(config, &run->initramfs);
    if (r == 0)
        r = run_file_make(run, config, &file);
    if (r == 0)
        archive(modules, &run->initramfs, &file);
    if (r == 0 && (run->initramfs.failed || file.failed))
        r = log_error(-ENOMEM, "initramfs");
    bytes_free(&file);
    modules_close(modules);
    return r;
}

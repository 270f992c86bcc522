/* SPDX-License-Identifier: BSD-3-Clause */
/* See run.h. */
#include "vmm/run/run.h"

#include "vmm/run/guest/wire.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* -- options -- */

static const struct opt folder_opts[] = {
    {.name = "path",
     .help = "folder of this host, and where it is in the guest",
     .type = OPT_STRING,
     .flags = OPT_REQUIRED | OPT_POSITIONAL,
     .arg = "DIR[:GUESTDIR]"},
    {0},
};
static const struct opt env_opts[] = {
    {.name = "set",
     .help = "a variable to set, one to take along, or * for all of them",
     .type = OPT_STRING,
     .flags = OPT_REQUIRED | OPT_POSITIONAL,
     .max = 65536,
     .arg = "NAME[=VALUE]"},
    {0},
};

#define SHARES_MAX 3 /* that a machine has room for, beside the root */
#define ENV_MAX    64

const struct config_device_kind run_kinds[] = {
    {.name = "rw",
     .help = "folder that CMD writes through to: --rw DIR[:GUESTDIR]",
     .opts = folder_opts,
     .count_max = SHARES_MAX,
     .plain = true},
    {.name = "ro",
     .help = "folder that CMD sees beside its root: --ro DIR[:GUESTDIR]",
     .opts = folder_opts,
     .count_max = SHARES_MAX,
     .plain = true},
    {.name = "env",
     .help = "environment of CMD, beside PATH HOME USER LOGNAME SHELL TERM LANG LC_* TZ: --env "
             "NAME[=VALUE] or --env '*'",
     .opts = env_opts,
     .count_max = ENV_MAX,
     .plain = true},
    {0},
};

static const char *const command_options[] = {"root",    "cwd",        "user",   "tty",
                                              "modules", "boot-limit", "systemd"};

/* Something else than the default: a configuration that was printed has that, too. */
static bool is_said(const struct opts *options, const char *key)
{
    const struct opt *row = opt_find(options->table, key);
    const char *text = options->values[row - options->table].text;

    return text != NULL && (row->value == NULL || strcmp(text, row->value) != 0);
}

int run_refuse_options(const struct config *config)
{
    for (size_t i = 0; i < ARRAY_SIZE(command_options); i++)
        if (is_said(config->options, command_options[i]))
            return opts_error("--%s: is for a command; add -- CMD at the end", command_options[i]);
    for (size_t i = 0; run_kinds[i].name != NULL; i++)
        if (config_count(config, run_kinds[i].name) > 0)
            return opts_error("--%s: is for a command; add -- CMD at the end", run_kinds[i].name);
    return 0;
}

/* -- devices -- */

static int add_device(struct config *config, const char *name, struct opts **ret_opts)
{
    size_t kind = 0;

    while (strcmp(config->kinds[kind].name, name) != 0)
        kind++;
    return config_add_device(config, kind, name, ret_opts);
}

static int add_share(struct config *config, const char *folder, const char *tag, bool writable)
{
    struct opts *opts;
    int r = add_device(config, "share", &opts);

    if (r == 0)
        r = opts_set(opts, "", "path", folder);
    if (r == 0)
        r = opts_set(opts, "", "tag", tag);
    return r == 0 && writable ? opts_set(opts, "", "rw", "on") : r;
}

static int add_ports(struct run *run, struct config *config)
{
    static const char *const names[RUN_PORTS] = {PORT_IN, PORT_OUT, PORT_ERR, PORT_CTL};
    struct opts *opts;
    char to[24];
    int fds[2], r = 0;

    for (int i = 0; i < RUN_PORTS && r == 0; i++) {
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
            return log_error(-errno, "socketpair");
        run->ours[i] = fds[0];
        /* fds[1] is the device's from here */
        if (fcntl(fds[1], F_SETFL, O_NONBLOCK) < 0)
            return log_error(-errno, "socketpair");
        (void)snprintf(to, sizeof(to), "fd:%d", fds[1]);
        r = add_device(config, "console", &opts);
        if (r == 0)
            r = opts_set(opts, "", "name", names[i]);
        if (r == 0)
            r = opts_set(opts, "", "to", to);
    }
    return r;
}

/* "DIR[:GUESTDIR]": the folder of this host, which must be there, and where the guest has it. */
static int folder_split(const char *option, const char *text, char ret_host[PATH_MAX],
                        char ret_guest[PATH_MAX])
{
    const char *colon = strrchr(text, ':');
    int len = (int)(colon == NULL ? strlen(text) : (size_t)(colon - text));
    char host[PATH_MAX];

    (void)snprintf(host, sizeof(host), "%.*s", len, text);
    if (realpath(host, ret_host) == NULL)
        return opts_error("--%s %s: %s", option, host, strerror(errno));
    if (strcmp(ret_host, "/") == 0 && strcmp(option, "rw") == 0)
        return opts_error("--rw /: the whole host would be the guest's to write; name the folders "
                          "that it needs");
    if (colon != NULL && colon[1] != '/')
        return opts_error("--%s %s: the folder in the guest begins with /", option, text);
    (void)snprintf(ret_guest, PATH_MAX, "%s", colon == NULL ? ret_host : colon + 1);
    return 0;
}

int run_folder(const struct config *config, const char *option, unsigned index,
               char ret_host[PATH_MAX], char ret_guest[PATH_MAX])
{
    const struct opts *opts = config_device(config, option, index);

    return folder_split(option, opts_str(opts, "path"), ret_host, ret_guest);
}

static int add_folders(struct config *config, const char *option)
{
    char host[PATH_MAX], guest[PATH_MAX], tag[RUN_TAG_SIZE];
    int r = 0;

    for (unsigned i = 0; i < config_count(config, option) && r == 0; i++) {
        r = run_folder(config, option, i, host, guest);
        if (r == 0)
            r = add_share(config, host, run_tag(tag, option, i), strcmp(option, "rw") == 0);
    }
    return r;
}

const char *run_tag(char tag[RUN_TAG_SIZE], const char *option, unsigned index)
{
    (void)snprintf(tag, RUN_TAG_SIZE, "linnet.%s%u", option, index);
    return tag;
}

static int find_disk(struct run *run, const struct config *config)
{
    if (config_count(config, "disk") == 0)
        return opts_error("--root disk: there is none; add --disk FILE");
    return run_disk_find(opts_str(config_device(config, "disk", 0), "path"), &run->disk);
}

static int add_shares(struct run *run, struct config *config)
{
    const char *root = opts_str(config->options, "root");
    int r = 0;

    if (strcmp(root, "none") != 0 && strcmp(root, "disk") != 0)
        r = add_share(config, root, ROOT_TAG, false);
    else if (strcmp(root, "disk") == 0)
        r = find_disk(run, config);
    if (r == 0 && strcmp(root, "none") == 0 && opts_bool(config->options, "systemd"))
        r = opts_error("--systemd: with --root none there is no systemd; give --root DIR or disk");
    if (r == 0)
        r = add_folders(config, "rw");
    return r == 0 ? add_folders(config, "ro") : r;
}

/* -- the rest of the machine -- */

static int choose_kernel(struct run *run, struct config *config)
{
    const char *word = opts_str(config->options, "kernel");
    const char *modules = opts_str(config->options, "modules");
    bool named = strcmp(modules, "auto") != 0 && strcmp(modules, "none") != 0;
    int r = run_kernel_find("", word, named ? modules : NULL, &run->kernel);

    if (strcmp(modules, "none") == 0)
        run->kernel.modules[0] = '\0';
    return r < 0 ? r : opts_set(config->options, "", "kernel", run->kernel.file);
}

static int choose_options(struct config *config)
{
    struct opts *options = config->options;
    int r = 0;

    if (opts_given(options, "serial") && opts_choice(options, "serial") == CONFIG_SERIAL_STDIO)
        return opts_error("--serial stdio: standard input and output are the command's; give "
                          "keep, stderr, none or file:FILE");
    if (!opts_given(options, "serial"))
        r = opts_set(options, "", "serial", "keep");
    if (r == 0 && !opts_given(options, "mem"))
        r = opts_set(options, "", "mem", "1G");
    return r;
}

static void choose_tty(struct run *run, const struct config *config)
{
    size_t said = opts_choice(config->options, "tty");
    bool foreground = tcgetpgrp(STDIN_FILENO) == getpgrp();

    run->tty = said == CONFIG_TTY_ON || (said == CONFIG_TTY_AUTO && isatty(STDIN_FILENO) &&
                                         isatty(STDOUT_FILENO) && foreground);
}

int run_init(struct run *run, struct config *config)
{
    *run = (struct run){.command = config->command, .ours = {-1, -1, -1, -1}};
    choose_tty(run, config);
    int r = choose_options(config);
    if (r == 0)
        r = choose_kernel(run, config);
    if (r == 0)
        r = add_shares(run, config);
    if (r == 0)
        r = add_ports(run, config);
    return r == 0 ? run_initramfs_make(run, config) : r;
}

void run_loaded(struct run *run)
{
    bytes_free(&run->initramfs);
    (void)malloc_trim(0); /* of whole packed modules and lists of them, most of it */
}

void run_fini(struct run *run)
{
    for (int i = 0; i < RUN_PORTS; i++)
        fd_close(&run->ours[i]);
    bytes_free(&run->initramfs);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What one `linnet run` is to be: its options and its devices, from the command line and from JSON.
 * Both are the same schema: the table of options in run_options.c, and the table of device kinds
 * that the caller passes in, so that no device is known here. Main thread, before the machine
 * exists.
 *
 *   linnet run --config rig.json --mem 1G --snd host=file,path=a.wav KERNEL
 *
 *   {"kernel": "bzImage", "mem": "512M", "cpus": 4, "snd": [{"host": "file", "path": "a.wav"}]}
 *
 * What comes later wins, on the command line and in the files it names with --config: an option
 * given again replaces what it was (so a script may append to a user's words). Devices add up: each
 * --snd is one more, behind those of a file named before it. File names are relative to the working
 * directory, in JSON too.
 *
 * Failures are logged here in one line and are -EINVAL (a user's mistake: exit status 35) or
 * -ENOMEM.
 */
#pragma once

#include "vmm/config/opts.h"

#include <stdio.h>

/* A kind of device that may be configured. Tables end with {0}. */
struct config_device_kind {
    const char *name;       /* option and JSON key; no other option has it */
    const char *help;       /* one line */
    const struct opt *opts; /* ends with {0}; NULL: takes no keys */
    unsigned count_max;     /* in one machine; 1 or more */
    bool plain; /* has one key, and takes its value alone: any text, never "key=value" */
};

struct config_devices {
    struct opts **items; /* owned, room for the kind's count_max */
    unsigned count;
};

struct config {
    const struct config_device_kind *kinds; /* borrowed */
    size_t kinds_count;
    struct opts *options; /* owned; read with opts_str(config->options, "kernel") */
    char *const *command; /* borrowed: what is behind "--", ends with NULL; NULL: nothing */
    struct config_devices devices[]; /* one for each kind, in its order */
};

/* What --serial, --kvm, --tty and --unpack mean: opts_choice() of them. That of --hugepages is an
 * enum memory_pages. */
enum config_serial {
    CONFIG_SERIAL_STDIO,
    CONFIG_SERIAL_STDERR,
    CONFIG_SERIAL_KEEP,
    CONFIG_SERIAL_NONE,
    CONFIG_SERIAL_FILE,
};
enum config_tty { CONFIG_TTY_AUTO, CONFIG_TTY_ON, CONFIG_TTY_OFF };
enum config_kvm { CONFIG_KVM_HARDWARE, CONFIG_KVM_ANY };
enum config_transport { CONFIG_TRANSPORT_MMIO, CONFIG_TRANSPORT_PCI };
enum config_unpack { CONFIG_UNPACK_HOST, CONFIG_UNPACK_GUEST };
enum config_kernel_cache {
    CONFIG_KERNEL_CACHE_ON,
    CONFIG_KERNEL_CACHE_OFF,
    CONFIG_KERNEL_CACHE_DIR,
};

/* Ends with {0}. */
extern const struct opt run_options[];

/* All defaults, no devices. */
int config_create(const struct config_device_kind *kinds, struct config **ret_config);
/* Accepts NULL. */
void config_destroy(struct config *config);

/* Takes the words behind "run" (ends with NULL), and the files they name with --config. Returns 0
 * at once when --help or --version is met; else what is required must be there, except for
 * --print-config. Ask for these three with opts_has() or opts_bool(). */
int config_parse_args(struct config *config, char *const argv[]);

/* Takes a JSON file, or JSON text of which `name` is said in messages. */
int config_load_file(struct config *config, const char *path);
int config_load_json(struct config *config, const char *name, const char *json, size_t len);

/* Adds a device with its defaults; say `where` it was asked for. For the two parsers. */
int config_add_device(struct config *config, size_t kind, const char *where,
                      struct opts **ret_opts);

/* Takes a device's options as a user writes them: "key=value,..." or "PLAIN,key=value,...". */
int config_parse_device(const struct config_device_kind *kind, struct opts *opts,
                        const char *prefix, const char *value);

/* The devices of a kind, by its name: how many, and one of them. */
unsigned config_count(const struct config *config, const char *kind);
const struct opts *config_device(const struct config *config, const char *kind, unsigned index);

/* Everything as a JSON object, defaults too (null: none), in the order of the tables; a reference
 * of the caller's. NULL: no memory. */
struct json_t *config_json(const struct config *config);
/* Writes that. It reads back to the same configuration; the same configuration gives the same
 * bytes. -errno if out fails. */
int config_print(const struct config *config, FILE *out);

/* --help, and the option reference of the manual in Markdown (--help=markdown). */
void config_help(const struct config_device_kind *kinds, FILE *out);
void config_help_markdown(const struct config_device_kind *kinds, FILE *out);

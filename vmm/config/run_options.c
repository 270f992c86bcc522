/* SPDX-License-Identifier: BSD-3-Clause */
/* The options of `linnet run` beside its devices, in the order of --help. See config.h. */
#include "vmm/base/memory.h"
#include "vmm/base/timebase.h"
#include "vmm/config/transport.h"

#define HOUR_NS (3600 * SECOND_NS)
#define MIB     (UINT64_C(1) << 20)

/* What the command line of the kernel may hold on x86 and arm64, without its NUL. */
#define APPEND_BYTES_MAX 2047

static const char *const serial_choices[] = {
    [CONFIG_SERIAL_STDIO] = "stdio",    [CONFIG_SERIAL_STDERR] = "stderr",
    [CONFIG_SERIAL_KEEP] = "keep",      [CONFIG_SERIAL_NONE] = "none",
    [CONFIG_SERIAL_FILE] = "file:FILE", NULL,
};
static const char *const tty_choices[] = {
    [CONFIG_TTY_AUTO] = "auto",
    [CONFIG_TTY_ON] = "on",
    [CONFIG_TTY_OFF] = "off",
    NULL,
};
static const char *const kvm_choices[] = {
    [CONFIG_KVM_HARDWARE] = "hardware",
    [CONFIG_KVM_ANY] = "any",
    NULL,
};
static const char *const unpack_choices[] = {
    [CONFIG_UNPACK_HOST] = "host",
    [CONFIG_UNPACK_GUEST] = "guest",
    NULL,
};
static const char *const kernel_cache_choices[] = {
    [CONFIG_KERNEL_CACHE_ON] = "on",
    [CONFIG_KERNEL_CACHE_OFF] = "off",
    [CONFIG_KERNEL_CACHE_DIR] = "dir:DIR",
    NULL,
};
static const char *const hugepages_choices[] = {
    [MEMORY_PAGES_AUTO] = "auto",
    [MEMORY_PAGES_OFF] = "off",
    [MEMORY_PAGES_2M] = "2M",
    [MEMORY_PAGES_1G] = "1G",
    NULL,
};
static const char *const help_choices[] = {"text", "markdown", NULL};

const struct opt run_options[] = {
    {.name = "kernel",
     .help = "kernel to boot: bzImage or ELF vmlinux on x86_64, Image (packed, too) on arm64; "
             "--kernel KERNEL is the same",
     .type = OPT_PATH,
     .arg = "KERNEL",
     .flags = OPT_REQUIRED | OPT_POSITIONAL,
     .group = "What to boot"},
    {.name = "initrd", .help = "initial RAM disk", .type = OPT_PATH},
    {.name = "append",
     .value = "",
     .help = "command line of the kernel; linnet adds console=, for a command also quiet panic=-1 "
             "cryptomgr.notests=1, and no more",
     .max = APPEND_BYTES_MAX},
    {.name = "unpack",
     .value = "host",
     .help = "who unpacks a compressed kernel: the host is sooner; the guest also moves the kernel "
             "to a random address (KASLR)",
     .type = OPT_CHOICE,
     .choices = unpack_choices},
    {.name = "kernel-cache",
     .value = "on",
     .help = "keep what the host unpacked for the next run, which is sooner: on keeps it in "
             "$XDG_CACHE_HOME/linnet or ~/.cache/linnet",
     .type = OPT_CHOICE,
     .choices = kernel_cache_choices,
     .arg = "WHERE"},
    {.name = "seed",
     .help = "what the kernel gets as randomness follows from this number, and is the same each "
             "time; if left out it comes from this host",
     .type = OPT_INT},
    {.name = "device-tree",
     .value = "off",
     .help = "x86_64: hand the kernel a device tree, too, as all options of this group do",
     .type = OPT_BOOL,
     .group = "Device tree"},
    {.name = "dtb",
     .help = "device tree in the place of the one that linnet makes; linnet fills in /chosen",
     .type = OPT_PATH},
    {.name = "dump-dtb",
     .help = "write the device tree that the kernel gets to FILE",
     .type = OPT_PATH},
    {.name = "mem",
     .value = "512M",
     .help = "memory of the guest, in whole MiB; a plain number counts MiB",
     .type = OPT_SIZE,
     .flags = OPT_PLAIN_MIB,
     .min = 16 * MIB,
     .max = MIB * MIB,
     .multiple = MIB,
     .group = "The machine"},
    {.name = "hugepages",
     .value = "auto",
     .help = "pages of the host for that memory: auto takes huge ones where the host makes them by "
             "itself; 2M and 1G are those that its administrator has set aside",
     .type = OPT_CHOICE,
     .choices = hugepages_choices},
    {.name = "cpus",
     .value = "1",
     .help = "virtual CPUs; all: as many as this host lets linnet have",
     .type = OPT_INT,
     .flags = OPT_ALL_CPUS,
     .min = 1,
     .max = 64,
     .arg = "N|all"},
    {.name = "watchdog",
     .value = "off",
     .help = "give the guest a watchdog: one that starts it and then stops feeding it ends with 36",
     .type = OPT_BOOL},
    {.name = "transport",
     .value = "mmio",
     .help = "how the guest finds and drives its virtio devices; pci: as PCI functions with "
             "MSI-X (with a command that is the default, if the kernel has virtio_pci built in). A "
             "device's own key transport=mmio|pci says it for that device",
     .type = OPT_CHOICE,
     .choices = transport_choices},
    {.name = "serial",
     .value = "stdio",
     .help = "where the serial console goes; keep: its last 64 KiB are kept in memory, and the "
             "tail is told when the guest dies (with a command that is the default)",
     .type = OPT_CHOICE,
     .choices = serial_choices,
     .arg = "WHERE"},
    {.name = "root",
     .value = "/",
     .help = "what CMD sees as its root: a folder of this host, in which its changes vanish with "
             "the machine; disk (the first --disk); none (the initial RAM disk)",
     .type = OPT_PATH,
     .arg = "DIR|disk|none",
     .group = "A command: linnet run [options] [KERNEL] -- CMD ARGS"},
    {.name = "cwd",
     .help = "working directory of CMD; if left out the current one, if the guest has it",
     .type = OPT_PATH,
     .arg = "DIR"},
    {.name = "user", .help = "who CMD runs as; if left out root", .arg = "NAME|UID[:GID]"},
    {.name = "tty",
     .value = "auto",
     .help = "whether CMD gets a terminal; auto: if standard input and output are one",
     .type = OPT_CHOICE,
     .choices = tty_choices},
    {.name = "systemd",
     .value = "off",
     .help = "boot the root's systemd to multi-user.target, and run CMD then, as its service",
     .type = OPT_BOOL},
    {.name = "modules",
     .value = "auto",
     .help = "where the kernel's modules are; auto: beside the kernel, then below /lib/modules",
     .type = OPT_PATH,
     .arg = "auto|none|DIR"},
    {.name = "boot-limit",
     .value = "2m",
     .help = "how long the guest may take until it is ready to run CMD: else it ends with 37",
     .type = OPT_DURATION,
     .max = 8760 * HOUR_NS},
    {.name = "name",
     .value = "linnet",
     .help = "name of this machine, for people and programs",
     .type = OPT_NAME,
     .group = "The run"},
    {.name = "control",
     .help = "make a control socket there, for `linnet control`",
     .type = OPT_PATH,
     .arg = "SOCKET"},
    {.name = "time-limit",
     .value = "0",
     .help =
         "stop after this long, with exit status 37; 0: never. Time of this host: it goes on while "
         "the machine is paused",
     .type = OPT_DURATION,
     .max = 8760 * HOUR_NS},
    {.name = "summary", .help = "say in this JSON file how the run went", .type = OPT_PATH},
    {.name = "junit", .help = "say the same in this JUnit XML file, for CI", .type = OPT_PATH},
    {.name = "transcript",
     .help = "write what drivers and devices say to each other into FILE, in lines for people; a "
             "FILE that ends in .jsonl gets all of it, as JSON lines",
     .type = OPT_PATH},
    {.name = "trace",
     .help = "write a timeline of kicks, requests, interrupts, periods and VM exits for Perfetto's "
             "viewer (ui.perfetto.dev) into FILE when the run has ended: the last 262144 events",
     .type = OPT_PATH},
    {.name = "until",
     .help = "end with 0 when a line of the serial console matches; if none does before the guest "
             "powers off, with 38",
     .arg = "REGEX"},
    {.name = "fail-on",
     .help =
         "end with 38 when a line of the serial console matches; kernel: the complaints of Linux "
         "(oops, BUG, WARNING, ...)",
     .arg = "REGEX|kernel"},
    {.name = "kvm",
     .value = "hardware",
     .help = "whether a KVM that only emulates will do",
     .type = OPT_CHOICE,
     .choices = kvm_choices},
    {.name = "log",
     .value = "info",
     .help = "what is told on standard error",
     .type = OPT_CHOICE,
     .choices = log_level_names,
     .arg = "LEVEL"},
    {.name = "config",
     .help = "take options from JSON: the same names, and a list for each kind of device",
     .type = OPT_PATH,
     .flags = OPT_COMMAND_LINE,
     .group = "This program"},
    {.name = "print-config",
     .help = "write what was understood as JSON, and exit",
     .type = OPT_BOOL,
     .flags = OPT_COMMAND_LINE},
    {.name = "help",
     .help = "write this, and exit",
     .type = OPT_CHOICE,
     .choices = help_choices,
     .bare = "text",
     .flags = OPT_COMMAND_LINE},
    {.name = "version",
     .help = "write the version, and exit",
     .type = OPT_BOOL,
     .flags = OPT_COMMAND_LINE},
    {0},
};

/* SPDX-License-Identifier: BSD-3-Clause */
/* See doctor.h. Looks, runs a few guest instructions, and changes nothing. */
#include "vmm/doctor.h"

#include "arch/arch.h"
#include "arch/kernel_cache.h"
#include "vmm/base/exit_status.h"
#include "vmm/base/log.h"
#include "vmm/hugepages.h"
#include "vmm/kvm.h"
#include "vmm/version.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

static void line(const char *what, bool good, const char *finding)
{
    printf("%-8s %-4s %s\n", what, good ? "ok" : "no", finding);
}

/* True if a stock kernel can run. `quiet`: say nothing. */
static bool check_kvm(bool quiet)
{
    enum arch_kvm_kind kind;
    int r = arch_probe(&kind); /* logs what is wrong, and the remedy */
    bool good = r == 0 && kind == ARCH_KVM_HARDWARE;

    if (quiet)
        return good;
    if (r < 0)
        line("kvm", false, KVM_DEVICE " cannot be used: see the line above");
    else if (good)
        line("kvm", true, KVM_DEVICE " runs guest code on the CPU: stock kernels boot");
    else
        line("kvm", false,
             KVM_DEVICE " only emulates guest code: stock kernels do not boot here; use a host "
                        "with hardware virtualization, or nested virtualization switched on");
    return good;
}

static void check_sound(void)
{
    char text[128];
    int count = 0;

    for (int card = 0; card < 32; card++) { /* as many as the kernel has numbers for */
        (void)snprintf(text, sizeof(text), "/dev/snd/controlC%d", card);
        count += access(text, F_OK) == 0;
    }
    (void)snprintf(text, sizeof(text), "%d ALSA card%s; `aplay -L` lists what --snd device= takes",
                   count, count == 1 ? "" : "s");
    if (count > 0)
        line("sound", true, text);
    else
        line("sound", false,
             "no ALSA card: --snd host=alsa needs a sound server's plugin or snd-aloop; "
             "host=file needs nothing");
}

static void check_pages(void)
{
    char text[160];
    bool good = hugepages_tell(text, sizeof(text));

    line("pages", good, text);
}

static void check_cache(void)
{
    char path[PATH_MAX], text[PATH_MAX + 100];

    if (kernel_cache_folder(path) < 0) {
        line("cache", false,
             "no place to keep unpacked kernels, so each start takes longer: set HOME or "
             "XDG_CACHE_HOME, or give --kernel-cache dir:DIR");
        return;
    }
    (void)snprintf(text, sizeof(text), "unpacked kernels are kept in %s, up to %llu MiB", path,
                   (unsigned long long)(KERNEL_CACHE_BYTES_MAX >> 20));
    line("cache", true, text);
}

static void check_host(void)
{
    struct utsname host;
    char text[300];

    if (uname(&host) < 0)
        return;
    (void)snprintf(text, sizeof(text), "%s %s, %ld CPUs, linnet " LINNET_VERSION, host.sysname,
                   host.release, sysconf(_SC_NPROCESSORS_ONLN));
    line("host", true, text);
}

int doctor_main(int argc, char **argv)
{
    if (argc > 0 && strcmp(argv[0], "--kvm") == 0 && argc == 1)
        return check_kvm(true) ? 0 : 1;
    if (argc > 0 && strcmp(argv[0], "--help") == 0) {
        printf("Usage: linnet doctor [--kvm]\n\n"
               "Says what this host can do for linnet, and what to do about what it can't.\n"
               "Exit status 0: stock kernels can run here; 1: they can't.\n\n"
               "  --kvm    only that, by exit status, without a word\n");
        return 0;
    }
    if (argc > 0) {
        (void)log_error(0, "doctor: unknown option %s; it takes --kvm or --help", argv[0]);
        return EXIT_BAD_ARGUMENTS;
    }
    check_host();
    bool good = check_kvm(false);
    check_sound();
    check_pages();
    check_cache();
    return good ? 0 : 1;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The program: which command, and what its end means as an exit status. */
#include "devices/net/mac.h"
#include "devices/snd/hear/listen.h"
#include "vmm/base/exit_status.h"
#include "vmm/base/log.h"
#include "vmm/control/control_client.h"
#include "vmm/device.h"
#include "vmm/doctor.h"
#include "vmm/machine.h"
#include "vmm/record.h"
#include "vmm/version.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static const int end_status[] = {
    [VM_RUNNING] = EXIT_HOST_ERROR,    [VM_POWEROFF] = EXIT_POWEROFF,
    [VM_RESET] = EXIT_RESET,           [VM_CRASHED] = EXIT_CRASHED,
    [VM_PANICKED] = EXIT_PANICKED,     [VM_HOST_ERROR] = EXIT_HOST_ERROR,
    [VM_TIME_LIMIT] = EXIT_TIME_LIMIT, [VM_BOOT_LIMIT] = EXIT_TIME_LIMIT,
    [VM_WATCHDOG] = EXIT_WATCHDOG,     [VM_QUIT] = EXIT_POWEROFF,
    [VM_COMMAND] = EXIT_POWEROFF,      [VM_UNTIL] = EXIT_POWEROFF,
    [VM_FAIL_ON] = EXIT_EXPECTATION,
};

static int error_status(int r)
{
    return r == -EINVAL ? EXIT_BAD_ARGUMENTS : EXIT_HOST_ERROR;
}

/* How it ended, then what its devices have to say; the guest's own failure comes first. */
static int run_status(const struct machine *machine, const struct run *run, enum vm_end how,
                      int finish)
{
    int status = run != NULL ? machine_command_status(machine, how) : end_status[how];

    if (status != EXIT_POWEROFF || finish == 0)
        return status;
    if (finish == -EPROTO)
        return EXIT_EXPECTATION;
    return run != NULL ? RUN_STATUS_FAILED : EXIT_HOST_ERROR;
}

/* From the machine's first moment to its last. */
static int live(struct config *config, struct run *run, struct record *record, enum vm_end *ret_how)
{
    struct machine *machine;
    int signal_number = 0;
    int r = net_macs_set(config);

    if (r == 0)
        r = machine_create(config, run, &machine);
    if (r < 0)
        return run != NULL ? RUN_STATUS_FAILED : error_status(r);
    machine_record(machine, record);
    record_running(record);
    if (run != NULL)
        run_loaded(run);
    *ret_how = machine_run(machine, &signal_number);
    r = machine_finish(machine, *ret_how);
    machine_record(machine, record);
    int status =
        *ret_how == VM_SIGNAL ? 128 + signal_number : run_status(machine, run, *ret_how, r);
    /* CMD may have said 0, and an expectation failed all the same. */
    record->by_command = *ret_how == VM_COMMAND && status != RUN_STATUS_FAILED &&
                         status == machine_command_status(machine, *ret_how);
    machine_tell_end(machine, status);
    machine_destroy(machine);
    return status;
}

/* Whoever sent the signal shall see that linnet died of it. */
static int die_of(int signal_number)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, signal_number);
    (void)signal(signal_number, SIG_DFL);
    (void)raise(signal_number);
    (void)sigprocmask(SIG_UNBLOCK, &set, NULL);
    return 128 + signal_number;
}

/* The machine of a command, or without one, and what is told of it. */
static int run_machine(struct config *config)
{
    const bool command = config->command != NULL;
    const int failed = command ? RUN_STATUS_FAILED : EXIT_HOST_ERROR;
    enum vm_end how = VM_HOST_ERROR;
    struct record record;
    struct run run;
    int r = record_begin(&record, config, config->command);

    if (r < 0)
        return command ? failed : error_status(r);
    r = command ? run_init(&run, config) : 0;
    int status = r < 0 ? failed : live(config, command ? &run : NULL, &record, &how);
    r = record_end(&record, how, status);
    record_fini(&record);
    if (command)
        run_fini(&run);
    if (how == VM_SIGNAL)
        return die_of(status - 128);
    return r < 0 && status == EXIT_POWEROFF ? failed : status;
}

static int print_version(void)
{
    printf("linnet " LINNET_VERSION "\n");
    return 0;
}

static int run_configured(struct config *config)
{
    const struct config_device_kind *kinds = machine_device_kinds();

    if (opts_has(config->options, "help")) {
        if (strcmp(opts_str(config->options, "help"), "markdown") == 0)
            config_help_markdown(kinds, stdout);
        else
            config_help(kinds, stdout);
        return 0;
    }
    if (opts_bool(config->options, "version"))
        return print_version();
    if (opts_bool(config->options, "print-config"))
        return config_print(config, stdout) < 0 ? EXIT_HOST_ERROR : 0;
    log_set_level((enum log_level)opts_choice(config->options, "log"));
    int r = config->command != NULL ? 0 : run_refuse_options(config);
    return r < 0 ? error_status(r) : run_machine(config);
}

/* CMD's own statuses are small numbers: what is wrong with linnet's words then is none of those. */
static int failed_status(int r, char **argv)
{
    while (*argv != NULL && strcmp(*argv, "--") != 0)
        argv++;
    return argv[0] != NULL && argv[1] != NULL ? RUN_STATUS_FAILED : error_status(r);
}

static int run_main(char **argv)
{
    struct config *config;
    int r = config_create(machine_device_kinds(), &config);

    if (r < 0)
        return error_status(r);
    r = config_parse_args(config, argv);
    int status = r < 0 ? failed_status(r, argv) : run_configured(config);
    config_destroy(config);
    return status;
}

static void print_usage(FILE *out)
{
    fputs(
        "Usage: linnet COMMAND [options]\n\n"
        "  run KERNEL       boot a Linux kernel; serial console here, Ctrl-A x stops\n"
        "  run -- CMD       run a command in a guest that sees this host's files; exit as it does\n"
        "  device KIND      serve one device to another program's machine, by vhost-user\n"
        "  control SOCKET   ask a running machine for something\n"
        "  listen FILE      say what is in a sound file, or whether it is what it should be\n"
        "  doctor           say what this host can do for linnet\n\n"
        "`linnet COMMAND --help` tells the options. --version tells the version.\n",
        out);
}

/* What is closed would become a file of ours. */
static void open_standard(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)open("/dev/null", O_RDWR); /* takes the lowest number, which is this */
}

int main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "";

    open_standard();
    if (strcmp(command, "run") == 0)
        return run_main(argv + 2);
    if (strcmp(command, "listen") == 0)
        return listen_main(argc - 1, argv + 1);
    if (strcmp(command, "device") == 0)
        return device_main(argv + 2);
    if (strcmp(command, "control") == 0)
        return control_main(argc - 2, argv + 2);
    if (strcmp(command, "doctor") == 0)
        return doctor_main(argc - 2, argv + 2);
    if (strcmp(command, "--version") == 0)
        return print_version();
    if (strcmp(command, "--help") == 0 || strcmp(command, "help") == 0) {
        print_usage(stdout);
        return 0;
    }
    if (argc < 2)
        (void)log_error(
            0, "no command: linnet run, device, control, listen or doctor; see linnet --help");
    else
        (void)log_error(0, "unknown command %s: there are run, device, control, listen and doctor",
                        command);
    return EXIT_BAD_ARGUMENTS;
}

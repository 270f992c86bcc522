/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A keyboard of this host's, for tests: makes a node by /dev/uinput and prints its name, event0 or
 * the like. Each line of standard input is a key's number: it goes down and up. Prints "lamp CODE
 * VALUE" for each lamp that is lit. Ends with its input.
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/uinput.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int fd;

static void must(int result, const char *what)
{
    if (result >= 0)
        return;
    perror(what);
    exit(1);
}

static void emit(unsigned short type, unsigned short code, int value)
{
    struct input_event event = {.type = type, .code = code, .value = value};

    must((int)write(fd, &event, sizeof(event)), "write");
}

static void print_name(void)
{
    char path[128] = "/sys/class/input/";
    size_t at = strlen(path);

    must(ioctl(fd, UI_GET_SYSNAME(64), path + at), "UI_GET_SYSNAME");
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;)
        if (strncmp(entry->d_name, "event", 5) == 0)
            printf("%s\n", entry->d_name);
    fflush(stdout);
}

static void make(void)
{
    struct uinput_setup setup = {.id = {.bustype = BUS_USB, .vendor = 0x1209, .product = 1},
                                 .name = "A,keyboard"};

    fd = open("/dev/uinput", O_RDWR);
    must(fd, "/dev/uinput");
    must(ioctl(fd, UI_SET_EVBIT, EV_KEY), "EV_KEY");
    must(ioctl(fd, UI_SET_EVBIT, EV_LED), "EV_LED");
    must(ioctl(fd, UI_SET_LEDBIT, LED_CAPSL), "LED_CAPSL");
    for (int key = KEY_ESC; key <= KEY_SPACE; key++)
        must(ioctl(fd, UI_SET_KEYBIT, key), "a key");
    must(ioctl(fd, UI_DEV_SETUP, &setup), "UI_DEV_SETUP");
    must(ioctl(fd, UI_DEV_CREATE), "UI_DEV_CREATE");
    print_name();
}

int main(void)
{
    struct pollfd fds[2] = {{.fd = 0, .events = POLLIN}, {.events = POLLIN}};
    struct input_event event;
    char line[16];

    make();
    fds[1].fd = fd;
    setvbuf(stdin, NULL, _IONBF, 0);
    while (poll(fds, 2, -1) > 0) {
        if ((fds[1].revents & POLLIN) != 0 && read(fd, &event, sizeof(event)) == sizeof(event) &&
            event.type == EV_LED) {
            printf("lamp %d %d\n", event.code, event.value);
            fflush(stdout);
        }
        if ((fds[0].revents & (POLLIN | POLLHUP)) == 0)
            continue;
        if (fgets(line, sizeof(line), stdin) == NULL)
            return 0;
        for (int value = 1; value >= 0; value--) {
            emit(EV_KEY, (unsigned short)atoi(line), value);
            emit(EV_SYN, SYN_REPORT, 0);
        }
    }
    return 1;
}

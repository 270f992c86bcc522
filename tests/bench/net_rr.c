/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * net_rr ADDRESS PORT [send]: a byte to there and back, again and again, until that fails; or a
 * stream to there, 64 KiB at a time, as programs write that have much to send.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char *argv[])
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    static char bytes[65536];

    if (argc < 3 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1)
        return 2;
    to.sin_port = htons((uint16_t)atoi(argv[2]));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0) {
        while (argc == 3 && write(fd, bytes, 1) == 1 && read(fd, bytes, 1) == 1)
            ;
        while (argc > 3 && write(fd, bytes, sizeof(bytes)) > 0)
            ;
    }
    perror("net_rr");
    return 1;
}

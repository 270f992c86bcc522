/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What linnet and its init in the guest say to each other over the console port linnet.ctl: a
 * message is a head of two bytes and what is behind it.
 *
 *   +------+------+--------------------+
 *   | type | size | size (0..255) bytes |
 *   +------+------+--------------------+
 *
 * And the run file, /run.linnet in the initramfs: strings with their NULs, the first byte of each
 * says what it is. Both are compiled into one program, so there is no version of either.
 */
#pragma once

#define CTL_HEAD_BYTES 2
#define CTL_SIZE_MAX   255

/* The guest's. The last three end the run: one of them comes, as the last message. */
enum {
    CTL_HELLO = 'h',   /* init runs and has the ports */
    CTL_STARTED = 'b', /* CMD begins */
    CTL_EXITED = 'x',  /* its status: one byte. All output is out, all ports are closed */
    CTL_KILLED = 'k',  /* the signal that ended it: one byte */
    CTL_NOT_RUN = 'n', /* execvp's errno: one byte */
    CTL_UNFIT = 'u',   /* why the guest cannot run anything: text */
};

/* linnet's. */
enum {
    CTL_SIGNAL = 's', /* to CMD's process group: one byte */
    CTL_WINDOW = 'w', /* of its terminal: rows, columns, le16 each */
    CTL_CLOCK =
        'c', /* what time it is, after a pause: seconds since 1970, nanoseconds; le64 each */
};

/* Ports. */
#define PORT_IN  "linnet.in"
#define PORT_OUT "linnet.out"
#define PORT_ERR "linnet.err"
#define PORT_CTL "linnet.ctl"

#define RUN_FILE "run.linnet" /* in the initramfs; below, that of the service */

/* Where systemd finds init again, and the run file, to run as a service. */
#define SERVICE_FOLDER "/run/linnet"
#define ROOT_TAG       "linnet.root"

/* What the strings of the run file are. */
enum {
    RUN_MODULE = 'm',   /* file in the initramfs to load, in this order */
    RUN_ROOT = 'r',     /* what becomes the root: "share", "disk", "none" */
    RUN_DISK = 'f',     /* the file system of that disk; its device is the RUN_AT that follows */
    RUN_BIND = 'b',     /* path in the share that is the root, to see at the RUN_AT that follows */
    RUN_SHARE_RO = 'v', /* tag of a share, to mount at the RUN_AT that follows */
    RUN_SHARE_RW = 'V',
    RUN_AT = '@',
    RUN_HOST = 'h',    /* name of this machine */
    RUN_CWD = 'c',     /* working directory; it must be there */
    RUN_CWD_TRY = 'C', /* the same; "/" if it is not */
    RUN_USER = 'u',    /* NAME, UID or UID:GID; none: root */
    RUN_DHCP = 'd',    /* network interface to configure by DHCP */
    RUN_SYSTEMD = 's', /* the root's systemd boots, CMD is a service of it; no text */
    RUN_TTY = 't',     /* CMD gets a terminal: "ROWS COLUMNS" */
    RUN_ENV = 'e',     /* NAME=VALUE */
    RUN_ARG = 'a',     /* a word of CMD */
};

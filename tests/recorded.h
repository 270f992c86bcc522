/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What stock kernels said to each device: recordings in tests/replay/, a line of JSON an event, the
 * first of which names the device. And devices as they were then, in a folder with what they use.
 */
#pragma once

#include "tests/fake_driver.h"

#include <jansson.h>

#define RECORDED_RAM_BYTES (64u << 20)
#define RECORDED_BYTES_MAX 256 /* of a message are kept; beyond them it is zeroes */

struct recorded_kind {
    const char *device;
    const struct virtio_class *class;
    const char *options, *path; /* the latter in the folder; NULL: none */
};

/* NULL: no such device. */
const struct recorded_kind *recorded_kind(const char *device);

/* Makes the folder and what is in it; its name in `ret_folder`. */
void recorded_folder_make(char ret_folder[32]);
void recorded_folder_remove(const char *folder);

/* A device that was not started yet. With `fd` it is the end of a network card's cable. */
struct virtio_device *recorded_create(const struct recorded_kind *kind, const char *folder, int fd,
                                      const struct memory *mem);

/* -- what a line says; of anything that is not there 0 -- */

const char *recorded_text(const json_t *line, const char *key); /* or "" */
uint32_t recorded_number(const json_t *line, const char *key);
/* How many bytes. */
size_t recorded_bytes(const json_t *line, const char *key, uint8_t ret_bytes[RECORDED_BYTES_MAX]);

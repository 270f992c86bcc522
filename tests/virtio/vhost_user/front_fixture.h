/* SPDX-License-Identifier: BSD-3-Clause */
/* What tests of the back-end begin with: a device that answers (tests/fake_device.h), used by a
 * scripted front-end in the orders in which others do. */
#pragma once

#include "tests/capture.h"
#include "tests/entries.h"
#include "tests/fake_device.h"
#include "tests/fake_front.h"

#include <check.h>
#include <string.h>

#define DATA 0x200000
#define PROTOCOL                                                                                   \
    0xa229 /* MQ, REPLY_ACK, BACKEND_REQ, CONFIG, RESET_DEVICE, CONFIGURE_MEM_SLOTS                \
            */
#define FEATURES (1ull << 32 | 1ull << 30 | 1ull << 28) /* a call for each request */

static struct fake_front front;
static struct echo *echo;
static struct capture capture;
static unsigned open_before;

static inline void setup(void)
{
    capture_start(&capture); /* what is wrong is said */
    open_before = entries_count("/proc/self/fd");
    fake_front_init(&front, &echo_class, NULL, true);
    echo = echo_of(front.dev);
    fake_front_connect(&front);
}

static inline void teardown(void)
{
    fake_front_fini(&front);
    ck_assert_uint_eq(entries_count("/proc/self/fd"), open_before);
    (void)capture_end(&capture);
}

static inline void negotiate(uint64_t protocol)
{
    ck_assert_uint_ne(fake_front_ask(&front, VHOST_USER_GET_FEATURES), UINT64_MAX);
    ck_assert_uint_eq(fake_front_ask(&front, VHOST_USER_GET_PROTOCOL_FEATURES), PROTOCOL);
    fake_front_say_u64(&front, VHOST_USER_SET_PROTOCOL_FEATURES, protocol);
    fake_front_say(&front, VHOST_USER_SET_OWNER, 0);
}

/* One ring, up to its being started. */
static inline void start_ring(uint32_t i, uint32_t base)
{
    fake_front_say_ring(&front, VHOST_USER_SET_VRING_NUM, i, front.ring[i].size);
    fake_front_say_ring(&front, VHOST_USER_SET_VRING_BASE, i, base);
    fake_front_say_address(&front, i);
    fake_front_say_fd(&front, VHOST_USER_SET_VRING_KICK, i, front.kick[i]);
    fake_front_say_fd(&front, VHOST_USER_SET_VRING_CALL, i, front.call[i]);
}

/* Both rings, as QEMU does at DRIVER_OK. */
static inline void start(uint32_t base)
{
    fake_front_say_u64(&front, VHOST_USER_SET_FEATURES, FEATURES);
    fake_front_say_table(&front);
    for (uint32_t i = 0; i < 2; i++)
        start_ring(i, base);
    for (uint32_t i = 0; i < 2; i++)
        fake_front_say_ring(&front, VHOST_USER_SET_VRING_ENABLE, i, 1);
}

static inline void begin(void)
{
    negotiate(PROTOCOL);
    fake_front_rings(&front, 16);
    start(0);
}

/* As QEMU does for a reset of the guest, and for a pause. */
static inline void stop(uint32_t ret_base[2])
{
    for (uint32_t i = 0; i < 2; i++)
        fake_front_say_ring(&front, VHOST_USER_SET_VRING_ENABLE, i, 0);
    for (uint32_t i = 0; i < 2; i++) {
        fake_front_say_ring(&front, VHOST_USER_GET_VRING_BASE, i, 0);
        ck_assert(fake_front_hears(&front));
        ck_assert_uint_eq(front.rx.msg.payload.state.index, i);
        ret_base[i] = front.rx.msg.payload.state.num;
    }
}

/* Offers four bytes to be copied to behind them. */
static inline void offer(uint32_t index)
{
    const struct fake_piece pieces[] = {{DATA, 4, 0}, {DATA + 4, 4, FAKE_WRITE}};

    ck_assert_int_eq(memory_write(&front.ram, DATA, "ping\0\0\0\0", 8), 0);
    fake_offer(&front.ring[index], fake_chain(&front.ring[index], pieces, 2));
}

static inline bool answered(uint32_t index)
{
    uint32_t id, len;

    if (!fake_front_used(&front, index, &id, &len))
        return false;
    ck_assert_uint_eq(len, 4);
    ck_assert_mem_eq(memory_at(&front.ram, DATA + 4, 4), "ping", 4);
    return true;
}

/* One request, from kick to call. */
static inline void ping(uint32_t index)
{
    offer(index);
    fake_front_kick(&front, index);
    ck_assert(answered(index));
}

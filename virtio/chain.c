/* SPDX-License-Identifier: BSD-3-Clause */
/* A request as two byte streams, see queue.h. */
#include "virtio/queue.h"

#include <string.h>

/* The next piece of at most `len` bytes; the cursor is behind it afterwards. */
static struct iovec cursor_next(struct chain_cursor *cursor, size_t len)
{
    const struct iovec *iov = &cursor->chunk->iov[cursor->at];
    struct iovec piece = {(uint8_t *)iov->iov_base + cursor->off,
                          MIN(len, iov->iov_len - cursor->off)};

    cursor->off += (uint32_t)piece.iov_len;
    if (cursor->off < iov->iov_len)
        return piece;
    cursor->off = 0;
    if (++cursor->at == IOV_CHUNK)
        *cursor = (struct chain_cursor){.chunk = cursor->chunk->next};
    return piece;
}

/* Counts so many bytes off those that are left; false: they are fewer. */
static bool take(uint32_t *left, size_t len)
{
    if (len > *left)
        return false;
    *left -= (uint32_t)len;
    return true;
}

static int skip(struct chain_cursor *cursor, uint32_t *left, size_t len)
{
    if (!take(left, len))
        return -EPROTO;
    while (len > 0)
        len -= cursor_next(cursor, len).iov_len;
    return 0;
}

int chain_skip(struct chain *chain, size_t len)
{
    return skip(&chain->read, &chain->readable_left, len);
}

int chain_skip_writable(struct chain *chain, size_t len)
{
    return skip(&chain->write, &chain->writable_left, len);
}

int chain_read(struct chain *chain, void *ret_buf, size_t len)
{
    uint8_t *to = ret_buf;

    if (!take(&chain->readable_left, len))
        return -EPROTO;
    while (len > 0) {
        struct iovec piece = cursor_next(&chain->read, len);
        memcpy(to, piece.iov_base, piece.iov_len);
        to += piece.iov_len;
        len -= piece.iov_len;
    }
    return 0;
}

int chain_write(struct chain *chain, const void *buf, size_t len)
{
    const uint8_t *from = buf;

    if (!take(&chain->writable_left, len))
        return -EPROTO;
    chain->written += (uint32_t)len;
    while (len > 0) {
        struct iovec piece = cursor_next(&chain->write, len);
        memcpy(piece.iov_base, from, piece.iov_len);
        from += piece.iov_len;
        len -= piece.iov_len;
    }
    return 0;
}

int chain_zero(struct chain *chain, size_t len)
{
    if (!take(&chain->writable_left, len))
        return -EPROTO;
    chain->written += (uint32_t)len;
    while (len > 0) {
        struct iovec piece = cursor_next(&chain->write, len);
        memset(piece.iov_base, 0, piece.iov_len);
        len -= piece.iov_len;
    }
    return 0;
}

/* How many pieces the next `len` bytes are; or -EPROTO, -E2BIG, and nothing was taken. */
static int take_iov(struct chain_cursor *cursor, uint32_t *left, size_t len, struct iovec *ret_iov,
                    unsigned iov_max)
{
    struct chain_cursor next = *cursor;
    unsigned count = 0;

    if (len > *left)
        return -EPROTO;
    for (size_t rest = len; rest > 0; rest -= ret_iov[count++].iov_len) {
        if (count == iov_max)
            return -E2BIG;
        ret_iov[count] = cursor_next(&next, rest);
    }
    *left -= (uint32_t)len;
    *cursor = next;
    return (int)count;
}

int chain_read_iov(struct chain *chain, size_t len, struct iovec *ret_iov, unsigned iov_max)
{
    return take_iov(&chain->read, &chain->readable_left, len, ret_iov, iov_max);
}

int chain_write_iov(struct chain *chain, size_t len, struct iovec *ret_iov, unsigned iov_max)
{
    int r = take_iov(&chain->write, &chain->writable_left, len, ret_iov, iov_max);

    if (r >= 0)
        chain->written += (uint32_t)len;
    return r;
}

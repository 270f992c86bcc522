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

int chain_read(struct chain *chain, void *ret_buf, size_t len)
{
    uint8_t *to = ret_buf;

    if (len > chain->readable_left)
        return -EPROTO;
    chain->readable_left -= (uint32_t)len;
    while (len > 0) {
        struct iovec piece = cursor_next(&chain->read, len);
        memcpy(to, piece.iov_base, piece.iov_len);
        to += piece.iov_len;
        len -= piece.iov_len;
    }
    return 0;
}

int chain_skip(struct chain *chain, size_t len)
{
    if (len > chain->readable_left)
        return -EPROTO;
    chain->readable_left -= (uint32_t)len;
    while (len > 0)
        len -= cursor_next(&chain->read, len).iov_len;
    return 0;
}

int chain_write(struct chain *chain, const void *buf, size_t len)
{
    const uint8_t *from = buf;

    if (len > chain->writable_left)
        return -EPROTO;
    chain->writable_left -= (uint32_t)len;
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
    if (len > chain->writable_left)
        return -EPROTO;
    chain->writable_left -= (uint32_t)len;
    chain->written += (uint32_t)len;
    while (len > 0) {
        struct iovec piece = cursor_next(&chain->write, len);
        memset(piece.iov_base, 0, piece.iov_len);
        len -= piece.iov_len;
    }
    return 0;
}

int chain_skip_writable(struct chain *chain, size_t len)
{
    if (len > chain->writable_left)
        return -EPROTO;
    chain->writable_left -= (uint32_t)len;
    while (len > 0)
        len -= cursor_next(&chain->write, len).iov_len;
    return 0;
}

/* Moves the cursor over `len` bytes that are there: how many pieces they are, or -E2BIG and the
 * cursor stays. */
static int cursor_pieces(struct chain_cursor *cursor, size_t len, struct iovec *ret_iov,
                         unsigned iov_max)
{
    struct chain_cursor next = *cursor;
    unsigned count = 0;

    while (len > 0) {
        if (count == iov_max)
            return -E2BIG;
        ret_iov[count] = cursor_next(&next, len);
        len -= ret_iov[count++].iov_len;
    }
    *cursor = next;
    return (int)count;
}

int chain_read_iov(struct chain *chain, size_t len, struct iovec *ret_iov, unsigned iov_max)
{
    if (len > chain->readable_left)
        return -EPROTO;
    int r = cursor_pieces(&chain->read, len, ret_iov, iov_max);
    if (r >= 0)
        chain->readable_left -= (uint32_t)len;
    return r;
}

int chain_write_iov(struct chain *chain, size_t len, struct iovec *ret_iov, unsigned iov_max)
{
    if (len > chain->writable_left)
        return -EPROTO;
    int r = cursor_pieces(&chain->write, len, ret_iov, iov_max);
    if (r >= 0) {
        chain->writable_left -= (uint32_t)len;
        chain->written += (uint32_t)len;
    }
    return r;
}

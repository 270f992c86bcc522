/* SPDX-License-Identifier: BSD-3-Clause */
/* The file system device behind its registers: messages, good and bad, of a read-only share. */
#include "tests/devices/fs/fs_fixture.h"
#include "tests/fake_clock.h"

#include <sys/stat.h>

static void setup(void)
{
    memset(&client, 0, sizeof(client));
    client.ram_bytes = 0x2000000;
    capture_start(&capture);
    fs_client_folder(&client);
    put("text", "hello");
    ck_assert_int_eq(mkdir(at("folder"), 0755), 0);
    put("folder/inner", "inside");
    ck_assert_int_eq(symlink("../../etc", at("link")), 0);
    ck_assert_int_eq(mkfifo(at("fifo"), 0644), 0);
    fs_client_start(&client, "");
    ck_assert_int_eq(fs_init(&client), 0);
}

static int forget(uint64_t node, uint64_t count)
{
    const struct fuse_forget_in in = {count};

    return fs_call(&client, FUSE_FORGET, node, &in, sizeof(in));
}

/* proves: FS-01, FS-02, FS-03, FS-08, FS-09 */
START_TEST(identity_and_config)
{
    char tag[36];

    ck_assert_uint_eq(fake_read(&client.drv, FAKE_DEVICE_ID), 26);
    ck_assert_uint_eq(fake_features(&client.drv), FAKE_CORE | FAKE_IN_ORDER);
    fake_read_bytes(&client.drv, FAKE_CONFIG, tag, sizeof(tag));
    ck_assert_str_eq(tag, "test");
    ck_assert_int_eq(tag[35], 0);
    ck_assert_uint_eq(fake_read(&client.drv, FAKE_CONFIG + 36), 1);
    fake_write(&client.drv, FAKE_CONFIG + 36, 7);
    ck_assert_uint_eq(fake_read(&client.drv, FAKE_CONFIG + 36), 1);
    for (uint32_t queue = 0; queue < 2; queue++) {
        fake_write(&client.drv, FAKE_QUEUE_SEL, queue);
        ck_assert_uint_eq(fake_read(&client.drv, FAKE_QUEUE_SIZE_MAX), 1024);
    }
}
END_TEST

START_TEST(init_agrees_on_what_both_can_do)
{
    ck_assert_int_eq(fs_init(&client), 0);
    ck_assert_uint_eq(client.len, 64);
    const struct fuse_init_out *out = (const void *)client.body;
    ck_assert_uint_eq(out->major, 7);
    ck_assert_uint_eq(out->max_write, 1 << 20);
    ck_assert_uint_eq(out->max_pages, 256);
    ck_assert_uint_eq(out->max_readahead, 0x20000);
    ck_assert_uint_eq(out->flags & (1u << 27), 0); /* submounts */
    ck_assert_uint_ne(out->flags & (1u << 13), 0); /* READDIRPLUS */
}
END_TEST

START_TEST(init_of_another_version_is_refused)
{
    static const uint32_t versions[][2] = {{6, 41}, {8, 0}, {7, 30}};
    struct fuse_init_in in = {.major = versions[_i][0], .minor = versions[_i][1]};

    ck_assert_int_eq(fs_call(&client, FUSE_INIT, 0, &in, sizeof(in)), -EPROTO);
    ck_assert_int_eq(getattr(1), 0); /* the session is as it was */
}
END_TEST

START_TEST(nothing_is_served_before_init_or_after_destroy)
{
    ck_assert_int_eq(fs_call(&client, FUSE_DESTROY, 0, NULL, 0), 0);
    ck_assert_int_eq(getattr(1), -ENOTCONN);
    ck_assert_int_eq(lookup(1, "text"), -ENOTCONN);
    ck_assert_int_eq(fs_init(&client), 0);
    ck_assert_int_eq(getattr(1), 0);
}
END_TEST

START_TEST(lookup_tells_attributes)
{
    struct stat st;

    ck_assert_int_eq(stat(at("text"), &st), 0);
    uint64_t node = node_of("text");
    struct fuse_entry_out entry = FS_REPLY(&client, struct fuse_entry_out);
    ck_assert_uint_eq(entry.attr.ino, st.st_ino);
    ck_assert_uint_eq(entry.attr.size, 5);
    ck_assert_uint_eq(entry.attr.mode, st.st_mode);
    ck_assert_uint_eq(entry.attr.uid, st.st_uid);
    ck_assert_uint_eq(entry.attr.nlink, 1);
    ck_assert_uint_eq(entry.attr.mtime, (uint64_t)st.st_mtime);
    ck_assert_uint_gt(entry.entry_valid, 3600);
    ck_assert_uint_eq(node_of("text"), node); /* the same file, the same id */
}
END_TEST

START_TEST(name_that_is_not_there_may_be_remembered)
{
    ck_assert_int_eq(lookup(1, "nowhere"), 0);
    ck_assert_uint_eq(FS_REPLY(&client, struct fuse_entry_out).nodeid, 0);
}
END_TEST

START_TEST(name_that_leads_elsewhere_is_refused)
{
    static const char *const names[] = {".", "..", "/", "folder/inner", "../x", "/etc", ""};

    ck_assert_int_eq(lookup(1, names[_i]), -EINVAL);
}
END_TEST

START_TEST(name_without_end_or_too_long_is_refused)
{
    char name[1025];

    ck_assert_int_eq(fs_call(&client, FUSE_LOOKUP, 1, "text", 4), -EINVAL);
    memset(name, 'a', sizeof(name));
    name[256] = '\0';
    ck_assert_int_eq(fs_call(&client, FUSE_LOOKUP, 1, name, 257), -ENAMETOOLONG);
    name[256] = 'a';
    ck_assert_int_eq(fs_call(&client, FUSE_LOOKUP, 1, name, sizeof(name)), -EINVAL);
}
END_TEST

START_TEST(link_is_told_and_not_followed)
{
    uint64_t node = node_of("link");

    ck_assert_uint_eq(FS_REPLY(&client, struct fuse_entry_out).attr.mode & S_IFMT, S_IFLNK);
    ck_assert_int_eq(fs_call(&client, FUSE_READLINK, node, NULL, 0), 0);
    ck_assert_uint_eq(client.len, 9);
    ck_assert_mem_eq(client.body, "../../etc", 9);
    ck_assert_int_eq(lookup(node, "passwd"), -ENOTDIR);
    ck_assert_int_eq(open_node(FUSE_OPEN, node, O_RDONLY), -EACCES);
    ck_assert_int_eq(open_node(FUSE_OPENDIR, node, O_RDONLY), -ENOTDIR);
    ck_assert_int_eq(fs_call(&client, FUSE_READLINK, 1, NULL, 0), -EINVAL);
}
END_TEST

/* Would wait for somebody who writes. */
START_TEST(fifo_is_told_and_not_opened)
{
    uint64_t node = node_of("fifo");

    ck_assert_uint_eq(FS_REPLY(&client, struct fuse_entry_out).attr.mode & S_IFMT, S_IFIFO);
    ck_assert_int_eq(open_node(FUSE_OPEN, node, O_RDONLY), -EACCES);
    ck_assert_int_eq(open_node(FUSE_OPEN, 1, O_RDONLY), -EACCES); /* a folder */
}
END_TEST

START_TEST(file_is_read)
{
    uint64_t node = node_of("text"), fh = opened(FUSE_OPEN, node);

    ck_assert_int_eq(read_at(FUSE_READ, node, fh, 0, 4096), 0);
    ck_assert_uint_eq(client.len, 5);
    ck_assert_mem_eq(client.body, "hello", 5);
    ck_assert_int_eq(read_at(FUSE_READ, node, fh, 2, 2), 0);
    ck_assert_mem_eq(client.body, "ll", 2);
    ck_assert_uint_eq(client.len, 2);
    ck_assert_int_eq(read_at(FUSE_READ, node, fh, 5, 10), 0);
    ck_assert_uint_eq(client.len, 0);
    ck_assert_int_eq(release(FUSE_RELEASE, node, fh), 0);
    ck_assert_int_eq(read_at(FUSE_READ, node, fh, 0, 5), -EBADF);
    ck_assert_int_eq(release(FUSE_RELEASE, node, fh), -EBADF);
}
END_TEST

START_TEST(read_of_what_has_no_room_is_refused)
{
    uint64_t node = node_of("text"), fh = opened(FUSE_OPEN, node);

    client.room = 16 + 4;
    ck_assert_int_eq(read_at(FUSE_READ, node, fh, 0, 5), -EINVAL);
    ck_assert_int_eq(read_at(FUSE_READ, node, fh, 0, 4), 0);
    ck_assert_int_eq(read_at(FUSE_READ, node, fh, INT64_MAX, 4), -EINVAL);
    ck_assert_int_eq(read_at(FUSE_READ, node, fh, UINT64_MAX, 4), -EINVAL);
    client.room = 0x1800000;
    ck_assert_int_eq(read_at(FUSE_READ, node, fh, 0, 0x1000000), 0);
    ck_assert_int_eq(read_at(FUSE_READ, node, fh, 0, 0x1000001), -EINVAL); /* it may be of 4 GiB */
}
END_TEST

START_TEST(handle_of_another_file_or_kind_is_refused)
{
    uint64_t node = node_of("text"), fh = opened(FUSE_OPEN, node);
    uint64_t dir = opened(FUSE_OPENDIR, 1);

    ck_assert_int_eq(read_at(FUSE_READ, 1, fh, 0, 5), -EBADF);
    ck_assert_int_eq(read_at(FUSE_READ, 1, dir, 0, 5), -EBADF);
    ck_assert_int_eq(read_at(FUSE_READDIR, node, fh, 0, 4096), -EBADF);
    ck_assert_int_eq(release(FUSE_RELEASEDIR, node, fh), -EBADF);
    ck_assert_int_eq(read_at(FUSE_READ, node, fh + (1ull << 32), 0, 5), -EBADF);
    ck_assert_int_eq(read_at(FUSE_READ, node, 0, 0, 5), -EBADF);
    ck_assert_int_eq(read_at(FUSE_READ, node, UINT32_MAX, 0, 5), -EBADF);
}
END_TEST

START_TEST(node_that_was_never_given_out_or_forgotten_is_refused)
{
    static const uint64_t odd[] = {0, 2, 99, UINT32_MAX, 1ull << 32 | 1, UINT64_MAX};

    for (size_t i = 0; i < ARRAY_SIZE(odd); i++)
        ck_assert_int_eq(getattr(odd[i]), -ESTALE);
    uint64_t node = node_of("text");
    ck_assert_int_eq(getattr(node), 0);
    client.queue = 0;
    ck_assert_int_eq(forget(node, 1), 1);
    client.queue = 1;
    ck_assert_int_eq(getattr(node), -ESTALE);
    ck_assert_uint_ne(node_of("text"), node); /* the place is used again, the id is not */
}
END_TEST

START_TEST(forgetting_too_often_harms_nobody)
{
    uint64_t node = node_of("text"), other = node_of("folder");

    ck_assert_int_eq(forget(node, UINT64_MAX), 1);
    ck_assert_int_eq(forget(node, 1), 1);
    ck_assert_int_eq(forget(1, UINT64_MAX), 1);
    ck_assert_int_eq(forget(77, 5), 1);
    ck_assert_int_eq(getattr(1), 0);
    ck_assert_int_eq(getattr(other), 0);
    (void)node_of("folder"); /* known twice now */
    ck_assert_int_eq(forget(other, 1), 1);
    ck_assert_int_eq(getattr(other), 0);
}
END_TEST

START_TEST(many_are_forgotten_at_once)
{
    uint64_t node = node_of("text"), other = node_of("folder");
    const struct {
        struct fuse_batch_forget_in in;
        struct fuse_forget_one one[3];
    } batch = {{0xffffffff, 0}, {{node, 1}, {other, 1}, {123456, 9}}}; /* more than there are */

    ck_assert_int_eq(fs_call(&client, FUSE_BATCH_FORGET, 0, &batch, sizeof(batch)), 1);
    ck_assert_int_eq(getattr(node), -ESTALE);
    ck_assert_int_eq(getattr(other), -ESTALE);
}
END_TEST

/* Names of the root, in one string; the offset of the last one. */
static uint64_t names(uint32_t opcode, char *ret_names)
{
    size_t skip = opcode == FUSE_READDIRPLUS ? sizeof(struct fuse_entry_out) : 0;
    struct fuse_dirent dirent = {0};

    for (size_t at = 0; at < client.len;) {
        memcpy(&dirent, client.body + at + skip, sizeof(dirent));
        (void)strncat(ret_names, (const char *)client.body + at + skip + 24, dirent.namelen);
        (void)strcat(ret_names, " ");
        at += (skip + 24 + dirent.namelen + 7) & ~7ull;
    }
    return dirent.off;
}

START_TEST(folder_is_read_in_pieces_of_any_size)
{
    static const uint32_t sizes[] = {4096, 300, 200, 1 << 17};
    uint32_t opcode = _i % 2 == 0 ? FUSE_READDIR : FUSE_READDIRPLUS;
    static const char *const expected[] = {". ", ".. ", "text ", "folder ", "link ", "fifo "};
    uint64_t fh = opened(FUSE_OPENDIR, 1), offset = 0;
    char all[256] = " ";
    int r;

    while ((r = read_at(opcode, 1, fh, offset, sizes[_i / 2])) == 0 && client.len > 0)
        offset = names(opcode, all);
    ck_assert_int_eq(r, 0);
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
        ck_assert_ptr_nonnull(strstr(all, expected[i]));
    ck_assert_uint_eq(strlen(all), 1 + 2 + 3 + 5 + 7 + 5 + 5); /* each once */
    ck_assert_int_eq(read_at(opcode, 1, fh, 0, sizes[_i / 2]), 0);
    ck_assert_uint_gt(client.len, 0); /* from the start again */
    ck_assert_int_eq(release(FUSE_RELEASEDIR, 1, fh), 0);
}
END_TEST

START_TEST(folder_read_without_room_for_a_name_is_refused)
{
    uint64_t fh = opened(FUSE_OPENDIR, 1);

    ck_assert_int_eq(read_at(FUSE_READDIR, 1, fh, 0, 16), -EINVAL);
    ck_assert_int_eq(read_at(FUSE_READDIR, 1, fh, 0, 0), -EINVAL);
    ck_assert_int_eq(read_at(FUSE_READDIRPLUS, 1, fh, 0, 128), -EINVAL);
    client.room = 16 + 8;
    ck_assert_int_eq(read_at(FUSE_READDIR, 1, fh, 0, 4096), -EINVAL);
}
END_TEST

START_TEST(readdirplus_counts_as_lookups)
{
    uint64_t fh = opened(FUSE_OPENDIR, 1);

    ck_assert_int_eq(read_at(FUSE_READDIRPLUS, 1, fh, 0, 8192), 0);
    uint64_t node = node_of("text");
    ck_assert_int_eq(forget(node, 1), 1);
    ck_assert_int_eq(getattr(node), 0);
    ck_assert_int_eq(forget(node, 1), 1);
    ck_assert_int_eq(getattr(node), -ESTALE);
}
END_TEST

START_TEST(replaced_and_deleted_files_stay_what_they_were)
{
    uint64_t node = node_of("text");
    char other[128];

    put("other", "others");
    (void)snprintf(other, sizeof(other), "%s", at("other"));
    ck_assert_int_eq(rename(other, at("text")), 0);
    uint64_t fh = opened(FUSE_OPEN, node);
    ck_assert_int_eq(read_at(FUSE_READ, node, fh, 0, 100), 0);
    ck_assert_mem_eq(client.body, "hello", 5);
    uint64_t newer = node_of("text");
    ck_assert_uint_ne(newer, node);
    ck_assert_int_eq(unlink(at("text")), 0);
    fh = opened(FUSE_OPEN, newer);
    ck_assert_int_eq(read_at(FUSE_READ, newer, fh, 0, 100), 0);
    ck_assert_mem_eq(client.body, "others", 6);
}
END_TEST

/* A folder that becomes a link to another place leads nowhere else. */
START_TEST(folder_replaced_by_a_link_stays_what_it_was)
{
    char moved[192];
    uint64_t node = node_of("folder");

    (void)snprintf(moved, sizeof(moved), "%s.moved", at("folder"));
    ck_assert_int_eq(rename(at("folder"), moved), 0);
    ck_assert_int_eq(symlink("/etc", at("folder")), 0);
    ck_assert_int_eq(lookup(node, "passwd"), 0);
    ck_assert_uint_eq(FS_REPLY(&client, struct fuse_entry_out).nodeid, 0);
    ck_assert_int_eq(lookup(node, "inner"), 0);
    ck_assert_uint_ne(FS_REPLY(&client, struct fuse_entry_out).nodeid, 0);
}
END_TEST

START_TEST(whatever_writes_is_refused)
{
    static const uint32_t opcodes[] = {FUSE_UNLINK, FUSE_RMDIR, FUSE_REMOVEXATTR};
    const struct fuse_mkdir_in dir = {0755, 0};
    const struct fuse_create_in file = {.flags = O_CREAT | O_RDWR, .mode = 0644};
    const struct fuse_setattr_in attr = {.valid = FATTR_MODE, .mode = 0777};

    for (size_t i = 0; i < ARRAY_SIZE(opcodes); i++)
        ck_assert_int_eq(fs_call(&client, opcodes[i], 1, "text", 5), -EROFS);
    ck_assert_int_eq(fs_call_with(&client, FUSE_MKDIR, 1, &dir, sizeof(dir), "new", 4), -EROFS);
    ck_assert_int_eq(fs_call_with(&client, FUSE_CREATE, 1, &file, sizeof(file), "new", 4), -EROFS);
    ck_assert_int_eq(fs_call(&client, FUSE_SETATTR, node_of("text"), &attr, sizeof(attr)), -EROFS);
    ck_assert_int_eq(open_node(FUSE_OPEN, node_of("text"), O_RDWR), -EROFS);
    ck_assert_int_eq(open_node(FUSE_OPEN, node_of("text"), O_WRONLY | O_TRUNC), -EROFS);
    ck_assert_int_eq(access(at("text"), F_OK), 0);
    ck_assert_int_ne(access(at("new"), F_OK), 0);
}
END_TEST

/* proves: FS-15 */
START_TEST(messages_that_are_not_served)
{
    static const uint32_t opcodes[] = {FUSE_ACCESS, FUSE_INTERRUPT, FUSE_SETUPMAPPING, 0,
                                       52,          4096,           UINT32_MAX};
    const uint8_t args[32] = {0};

    for (size_t i = 0; i < ARRAY_SIZE(opcodes); i++)
        ck_assert_int_eq(fs_call(&client, opcodes[i], 1, args, sizeof(args)), -ENOSYS);
    ck_assert_int_eq(fs_call(&client, FUSE_IOCTL, 1, args, sizeof(args)), -ENOTTY);
}
END_TEST

START_TEST(message_cut_anywhere_is_refused)
{
    const struct fuse_read_in in = {.size = 10};
    uint8_t message[40 + sizeof(in)] = {0};
    struct fuse_in_header head = {.opcode = FUSE_READ, .nodeid = 1, .unique = 5};

    for (uint32_t len = 0; len < sizeof(message); len++) {
        head.len = len;
        memcpy(message, &head, sizeof(head));
        ck_assert_int_eq(fs_raw(&client, message, len), len < 40 ? 1 : -EINVAL);
    }
    ck_assert_int_eq(getattr(1), 0);
}
END_TEST

START_TEST(length_that_is_not_the_messages_is_refused)
{
    static const uint32_t lengths[] = {0, 39, 40, 55, 57, UINT32_MAX};
    const struct {
        struct fuse_in_header head;
        struct fuse_getattr_in in;
    } message = {{.len = lengths[_i], .opcode = FUSE_GETATTR, .nodeid = 1}, {0}};

    ck_assert_int_eq(fs_raw(&client, &message, sizeof(message)), -EINVAL);
}
END_TEST

START_TEST(answer_without_room_is_none)
{
    client.room = 15;
    ck_assert_int_eq(getattr(1), 1);
    ck_assert_uint_eq(client.used, 0);
    client.room = 0;
    ck_assert_int_eq(lookup(1, "text"), 1);
    client.room = 16;
    ck_assert_int_eq(lookup(1, "text"), -EINVAL);
    client.room = 0x1000;
    ck_assert_int_eq(getattr(1), 0);
    ck_assert_uint_eq(fake_read(&client.drv, FAKE_STATUS), 15);
}
END_TEST

/* proves: FS-13 */
START_TEST(reset_forgets_everything)
{
    uint64_t node = node_of("text"), fh = opened(FUSE_OPEN, node);

    ck_assert_uint_eq(fake_start(&client.drv, FAKE_VERSION_1), 15);
    ck_assert_int_eq(getattr(1), -ENOTCONN);
    ck_assert_int_eq(fs_init(&client), 0);
    ck_assert_int_eq(getattr(node), -ESTALE);
    ck_assert_int_eq(read_at(FUSE_READ, node, fh, 0, 5), -ESTALE);
}
END_TEST

START_TEST(messages_wait_while_paused)
{
    struct fake_ring *ring = &client.drv.ring[1];
    const struct {
        struct fuse_in_header head;
        struct fuse_getattr_in in;
    } message = {{.len = sizeof(message), .opcode = FUSE_GETATTR, .nodeid = 1}, {0}};
    const struct fake_piece pieces[] = {{0x300000, sizeof(message), 0},
                                        {0x301000, 512, FAKE_WRITE}};
    uint32_t id, len;

    virtio_pause(client.dev);
    memcpy(memory_at(&client.mem, pieces[0].addr, sizeof(message)), &message, sizeof(message));
    fake_offer(ring, fake_chain(ring, pieces, 2));
    fake_write(&client.drv, FAKE_QUEUE_NOTIFY, 1);
    usleep(20000);
    ck_assert(!fake_used(ring, &id, &len));
    virtio_resume(client.dev, 20000000);
    ck_assert(fake_wait_used(&client.drv, 1, &id, &len));
    ck_assert_uint_eq(len, 16 + sizeof(struct fuse_attr_out));
}
END_TEST

/* proves: FS-07 */
START_TEST(forgetting_overtakes_requests)
{
    struct fake_ring *forgets = &client.drv.ring[0], *requests = &client.drv.ring[1];
    const struct {
        struct fuse_in_header head;
        struct fuse_getattr_in in;
    } ask = {{.len = sizeof(ask), .opcode = FUSE_GETATTR, .nodeid = node_of("text")}, {0}};
    const struct {
        struct fuse_in_header head;
        struct fuse_forget_in in;
    } forget_it = {{.len = sizeof(forget_it), .opcode = FUSE_FORGET, .nodeid = ask.head.nodeid},
                   {1}};
    const struct fake_piece said = {0x310000, sizeof(forget_it), 0};
    uint32_t id, len, told = 0;

    virtio_pause(client.dev);
    memcpy(memory_at(&client.mem, 0x300000, sizeof(ask)), &ask, sizeof(ask));
    memcpy(memory_at(&client.mem, said.addr, said.len), &forget_it, said.len);
    for (unsigned i = 0; i < 50; i++) {
        const struct fake_piece pieces[] = {{0x300000, sizeof(ask), 0},
                                            {0x320000 + i * 0x100, 0x100, FAKE_WRITE}};
        fake_offer(requests, fake_chain(requests, pieces, 2));
    }
    fake_write(&client.drv, FAKE_QUEUE_NOTIFY, 1);
    fake_offer(forgets, fake_chain(forgets, &said, 1));
    fake_write(&client.drv, FAKE_QUEUE_NOTIFY, 0);
    virtio_resume(client.dev, 0);
    for (unsigned i = 0; i < 50; i++) {
        ck_assert(fake_wait_used(&client.drv, 1, &id, &len));
        told += len > sizeof(struct fuse_out_header);
    }
    ck_assert_uint_le(told, 1);
    ck_assert(fake_wait_used(&client.drv, 0, &id, &len));
}
END_TEST

static void offer_forget(uint64_t node)
{
    const struct {
        struct fuse_in_header head;
        struct fuse_forget_in in;
    } forget_it = {{.len = sizeof(forget_it), .opcode = FUSE_FORGET, .nodeid = node}, {1}};
    const struct fake_piece piece = {0x310000, sizeof(forget_it), 0};
    struct fake_ring *ring = &client.drv.ring[0];

    memcpy(memory_at(&client.mem, piece.addr, piece.len), &forget_it, piece.len);
    fake_offer(ring, fake_chain(ring, &piece, 1));
}

/* The guest need not kick for what it forgets within a millisecond. */
START_TEST(forgetting_is_gathered)
{
    struct fake_clock clock = FAKE_CLOCK;
    struct loop *loop = virtio_loop(client.dev);
    uint64_t text = node_of("text"), folder = node_of("folder"), link = node_of("link");
    uint32_t id, len;

    virtio_pause(client.dev);
    loop->timebase = &clock.base;
    virtio_resume(client.dev, 0);
    offer_forget(text);
    fake_write(&client.drv, FAKE_QUEUE_NOTIFY, 0);
    ck_assert(fake_wait_used(&client.drv, 0, &id, &len));
    offer_forget(folder);
    usleep(10000);
    ck_assert(!fake_used(&client.drv.ring[0], &id, &len));
    clock.now_ns = 1000000;
    ck_assert(fake_wait_used(&client.drv, 0, &id, &len));
    ck_assert_int_eq(getattr(folder), -ESTALE);
    ck_assert_int_eq(getattr(link), 0);
    clock.now_ns = 2000000;
    usleep(10000); /* nothing came: kicks are wanted again */
    offer_forget(link);
    fake_write(&client.drv, FAKE_QUEUE_NOTIFY, 0);
    ck_assert(fake_wait_used(&client.drv, 0, &id, &len));
    ck_assert_uint_eq(fake_start(&client.drv, FAKE_VERSION_1), 15); /* in the midst of it */
    clock.now_ns = 3000000;
    ck_assert_int_eq(fs_init(&client), 0);
    virtio_pause(client.dev);
    loop->timebase = &timebase_monotonic;
    virtio_resume(client.dev, 0);
}
END_TEST

START_TEST(statfs_and_holes_are_told)
{
    const struct fuse_lseek_in data = {.whence = SEEK_DATA}, end = {.whence = SEEK_END};
    uint64_t node = node_of("text");
    struct fuse_lseek_in in = data;

    ck_assert_int_eq(fs_call(&client, FUSE_STATFS, 1, NULL, 0), 0);
    ck_assert_uint_gt(FS_REPLY(&client, struct fuse_statfs_out).st.blocks, 0);
    in.fh = opened(FUSE_OPEN, node);
    ck_assert_int_eq(fs_call(&client, FUSE_LSEEK, node, &in, sizeof(in)), 0);
    ck_assert_uint_eq(FS_REPLY(&client, struct fuse_lseek_out).offset, 0);
    in.offset = 5;
    ck_assert_int_eq(fs_call(&client, FUSE_LSEEK, node, &in, sizeof(in)), -ENXIO);
    in.whence = end.whence;
    ck_assert_int_eq(fs_call(&client, FUSE_LSEEK, node, &in, sizeof(in)), -EINVAL);
}
END_TEST

Suite *fs_suite(void);
Suite *fs_suite(void)
{
    Suite *suite = suite_create("fs");
    TCase *tcase = tcase_create("read-only");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, identity_and_config);
    tcase_add_test(tcase, init_agrees_on_what_both_can_do);
    tcase_add_loop_test(tcase, init_of_another_version_is_refused, 0, 3);
    tcase_add_test(tcase, nothing_is_served_before_init_or_after_destroy);
    tcase_add_test(tcase, lookup_tells_attributes);
    tcase_add_test(tcase, name_that_is_not_there_may_be_remembered);
    tcase_add_loop_test(tcase, name_that_leads_elsewhere_is_refused, 0, 7);
    tcase_add_test(tcase, name_without_end_or_too_long_is_refused);
    tcase_add_test(tcase, link_is_told_and_not_followed);
    tcase_add_test(tcase, fifo_is_told_and_not_opened);
    tcase_add_test(tcase, file_is_read);
    tcase_add_test(tcase, read_of_what_has_no_room_is_refused);
    tcase_add_test(tcase, handle_of_another_file_or_kind_is_refused);
    tcase_add_test(tcase, node_that_was_never_given_out_or_forgotten_is_refused);
    tcase_add_test(tcase, forgetting_too_often_harms_nobody);
    tcase_add_test(tcase, many_are_forgotten_at_once);
    tcase_add_loop_test(tcase, folder_is_read_in_pieces_of_any_size, 0, 8);
    tcase_add_test(tcase, folder_read_without_room_for_a_name_is_refused);
    tcase_add_test(tcase, readdirplus_counts_as_lookups);
    tcase_add_test(tcase, replaced_and_deleted_files_stay_what_they_were);
    tcase_add_test(tcase, folder_replaced_by_a_link_stays_what_it_was);
    tcase_add_test(tcase, whatever_writes_is_refused);
    tcase_add_test(tcase, messages_that_are_not_served);
    tcase_add_test(tcase, message_cut_anywhere_is_refused);
    tcase_add_loop_test(tcase, length_that_is_not_the_messages_is_refused, 0, 6);
    tcase_add_test(tcase, answer_without_room_is_none);
    tcase_add_test(tcase, reset_forgets_everything);
    tcase_add_test(tcase, messages_wait_while_paused);
    tcase_add_test(tcase, forgetting_overtakes_requests);
    tcase_add_test(tcase, forgetting_is_gathered);
    tcase_add_test(tcase, statfs_and_holes_are_told);
    suite_add_tcase(suite, tcase);
    return suite;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The file system device behind its registers: what changes a share that the guest may write. */
#include "tests/devices/fs/fs_fixture.h"

#include <sys/stat.h>
#include <sys/xattr.h>

static void setup(void)
{
    memset(&client, 0, sizeof(client));
    client.ram_bytes = 0x2000000;
    capture_start(&capture);
    fs_client_start(&client, ",rw");
    ck_assert_int_eq(fs_init(&client), 0);
}

static struct stat stat_of(const char *name)
{
    struct stat st;

    ck_assert_int_eq(lstat(at(name), &st), 0);
    return st;
}

static bool there(const char *name)
{
    struct stat st;

    return lstat(at(name), &st) == 0;
}

static int named(uint32_t opcode, uint64_t node, const char *name)
{
    return fs_call(&client, opcode, node, name, strlen(name) + 1);
}

static int with_name(uint32_t opcode, uint64_t node, const void *in, size_t len, const char *name)
{
    return fs_call_with(&client, opcode, node, in, len, name, strlen(name) + 1);
}

static int make_folder(uint64_t node, const char *name)
{
    const struct fuse_mkdir_in in = {0755, 022};

    return with_name(FUSE_MKDIR, node, &in, sizeof(in), name);
}

static int create(const char *name, uint32_t flags, uint32_t mode)
{
    const struct fuse_create_in in = {.flags = flags | O_CREAT, .mode = S_IFREG | mode};

    return with_name(FUSE_CREATE, 1, &in, sizeof(in), name);
}

/* A new file, open: its node and handle. */
struct opened {
    uint64_t node, fh;
};

static struct opened created(const char *name)
{
    struct fuse_open_out out;

    ck_assert_int_eq(create(name, O_RDWR, 0644), 0);
    ck_assert_uint_eq(client.len, sizeof(struct fuse_entry_out) + sizeof(out));
    memcpy(&out, client.body + sizeof(struct fuse_entry_out), sizeof(out));
    return (struct opened){entry_node(), out.fh};
}

static int write_at(struct opened file, uint64_t offset, const char *text, uint32_t flags)
{
    const struct fuse_write_in in = {
        .fh = file.fh, .offset = offset, .size = (uint32_t)strlen(text), .flags = flags};

    return fs_call_with(&client, FUSE_WRITE, file.node, &in, sizeof(in), text, strlen(text));
}

/* What a file of the host has. */
static void has(const char *name, const char *text)
{
    char got[128] = "";
    int fd = open(at(name), O_RDONLY);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_ge(read(fd, got, sizeof(got) - 1), 0);
    ck_assert_int_eq(close(fd), 0);
    ck_assert_str_eq(got, text);
}

START_TEST(new_file_has_its_mode_and_data)
{
    ck_assert_int_eq(create("file", O_RDWR, 0666), 0); /* of the guest, whatever our umask is */
    ck_assert_uint_eq(stat_of("file").st_mode, S_IFREG | 0666);
    ck_assert_uint_eq(FS_REPLY(&client, struct fuse_entry_out).entry_valid, 1);
    struct opened file = created("other");
    ck_assert_int_eq(write_at(file, 0, "hello world", 0), 0);
    ck_assert_uint_eq(FS_REPLY(&client, struct fuse_write_out).size, 11);
    ck_assert_int_eq(write_at(file, 6, "again", 0), 0);
    has("other", "hello again");
}
END_TEST

START_TEST(append_goes_to_the_end_that_there_is)
{
    struct opened file = created("file");

    ck_assert_int_eq(write_at(file, 0, "one", 0), 0);
    ck_assert_int_eq(write_at(file, 0, "two", O_APPEND), 0);
    has("file", "onetwo");
}
END_TEST

START_TEST(write_that_says_another_length_is_refused)
{
    struct opened file = created("file");
    struct fuse_write_in in = {.fh = file.fh, .size = _i == 0 ? 4 : 6};

    ck_assert_int_eq(fs_call_with(&client, FUSE_WRITE, file.node, &in, sizeof(in), "hello", 5),
                     -EINVAL);
    in.size = 5;
    in.offset = INT64_MAX;
    ck_assert_int_eq(fs_call_with(&client, FUSE_WRITE, file.node, &in, sizeof(in), "hello", 5),
                     -EINVAL);
    in.fh++;
    ck_assert_int_eq(fs_call_with(&client, FUSE_WRITE, file.node, &in, sizeof(in), "hello", 5),
                     -EBADF);
    has("file", "");
}
END_TEST

/* Else one message would keep the worker for as long as 4 GiB take. */
START_TEST(write_of_more_than_was_agreed_on_is_refused)
{
    struct opened file = created("file");
    struct message {
        struct fuse_in_header head;
        struct fuse_write_in in;
        uint8_t data[0x1000001];
    } *message = calloc(1, sizeof(*message));

    ck_assert_ptr_nonnull(message);
    message->in = (struct fuse_write_in){.fh = file.fh, .size = 0x1000001};
    message->head = (struct fuse_in_header){.len = sizeof(message->head) + sizeof(message->in) +
                                                   message->in.size,
                                            .opcode = FUSE_WRITE,
                                            .nodeid = file.node};
    ck_assert_int_eq(fs_raw(&client, message, message->head.len), -EINVAL);
    message->in.size--;
    message->head.len--;
    ck_assert_int_eq(fs_raw(&client, message, message->head.len), 0);
    ck_assert_int_eq(stat_of("file").st_size, 0x1000000);
    free(message);
}
END_TEST

START_TEST(file_that_is_there_is_opened_unless_it_must_be_new)
{
    ck_assert_int_eq(create("file", O_RDWR, 0600), 0);
    uint64_t node = entry_node();
    ck_assert_int_eq(create("file", O_RDWR | O_EXCL, 0600), -EEXIST);
    ck_assert_int_eq(create("file", O_RDWR, 0600), 0);
    ck_assert_uint_eq(entry_node(), node);
}
END_TEST

/* Each was put there since the guest looked. */
START_TEST(create_opens_nothing_but_a_file)
{
    ck_assert_int_eq(mkfifo(at("fifo"), 0644), 0);
    ck_assert_int_eq(symlink("/etc/passwd", at("link")), 0);
    ck_assert_int_eq(mkdir(at("folder"), 0755), 0);
    ck_assert_int_eq(create("fifo", O_WRONLY, 0600), -EACCES);
    ck_assert_int_eq(create("link", O_RDONLY, 0600), -EACCES);
    ck_assert_int_eq(create("folder", O_RDONLY, 0600), -EACCES);
}
END_TEST

START_TEST(folders_are_made_and_removed)
{
    ck_assert_int_eq(make_folder(1, "folder"), 0);
    uint64_t folder = entry_node();
    ck_assert_int_eq(make_folder(folder, "inner"), 0);
    ck_assert(there("folder/inner"));
    ck_assert_int_eq(named(FUSE_RMDIR, 1, "folder"), -ENOTEMPTY);
    ck_assert_int_eq(named(FUSE_UNLINK, folder, "inner"), -EISDIR);
    ck_assert_int_eq(named(FUSE_RMDIR, folder, "inner"), 0);
    ck_assert_int_eq(named(FUSE_RMDIR, 1, "folder"), 0);
    ck_assert(!there("folder"));
    ck_assert_int_eq(make_folder(folder, "late"), -ENOENT);
}
END_TEST

/* proves: FS-11 */
START_TEST(special_files_are_made_but_for_devices)
{
    struct fuse_mknod_in in = {.mode = S_IFIFO | 0640};

    ck_assert_int_eq(with_name(FUSE_MKNOD, 1, &in, sizeof(in), "fifo"), 0);
    ck_assert_uint_eq(stat_of("fifo").st_mode, S_IFIFO | 0640);
    in.mode = S_IFSOCK | 0600;
    ck_assert_int_eq(with_name(FUSE_MKNOD, 1, &in, sizeof(in), "socket"), 0);
    in.mode = S_IFBLK | 0600;
    ck_assert_int_eq(with_name(FUSE_MKNOD, 1, &in, sizeof(in), "block"), -EPERM);
    in.mode = S_IFCHR | 0600;
    in.rdev = 0x103;
    ck_assert_int_eq(with_name(FUSE_MKNOD, 1, &in, sizeof(in), "null"), -EPERM);
    ck_assert(!there("block") && !there("null"));
    fake_write(&client.drv, FAKE_SHM_SEL, 0);
    ck_assert_uint_eq(fake_read(&client.drv, FAKE_SHM_LEN), UINT32_MAX); /* no DAX window */
}
END_TEST

START_TEST(links_are_made)
{
    struct opened file = created("file");
    const struct fuse_link_in in = {file.node}, odd = {12345};
    char target[192];

    ck_assert_int_eq(with_name(FUSE_LINK, 1, &in, sizeof(in), "hard"), 0);
    ck_assert_uint_eq(entry_node(), file.node);
    ck_assert_uint_eq(stat_of("file").st_nlink, 2);
    ck_assert_int_eq(with_name(FUSE_LINK, 1, &odd, sizeof(odd), "none"), -ESTALE);
    ck_assert_int_eq(fs_call(&client, FUSE_SYMLINK, 1, "soft\0../where", 14), 0);
    ck_assert_int_eq(readlink(at("soft"), target, sizeof(target)), 8);
    ck_assert_int_eq(fs_call(&client, FUSE_SYMLINK, 1, "soft\0../where", 13), -EINVAL);
    ck_assert_int_eq(fs_call(&client, FUSE_SYMLINK, 1, "../out\0x", 9), -EINVAL);
}
END_TEST

static int rename_to(uint32_t flags, uint64_t folder, const char *names, size_t len)
{
    const struct fuse_rename2_in in = {folder, flags, 0};

    return fs_call_with(&client, FUSE_RENAME2, 1, &in, sizeof(in), names, len);
}

START_TEST(names_change)
{
    const struct fuse_rename_in old = {1};

    (void)created("a");
    (void)created("b");
    ck_assert_int_eq(make_folder(1, "folder"), 0);
    uint64_t folder = entry_node();
    ck_assert_int_eq(rename_to(1, 1, "a\0b", 4), -EEXIST); /* NOREPLACE */
    ck_assert_int_eq(rename_to(8, 1, "a\0b", 4), -EINVAL);
    ck_assert_int_eq(rename_to(0, folder, "a\0c", 4), 0);
    ck_assert(there("folder/c") && !there("a"));
    ck_assert_int_eq(fs_call_with(&client, FUSE_RENAME, 1, &old, sizeof(old), "b\0d", 4), 0);
    ck_assert(there("d"));
    ck_assert_int_eq(rename_to(0, 999, "d\0e", 4), -ESTALE);
    ck_assert_int_eq(rename_to(0, folder, "d\0../e", 7), -EINVAL);
    ck_assert_int_eq(rename_to(0, folder, "d\0e", 3), -EINVAL);
    ck_assert(there("d"));
}
END_TEST

static int setattr(uint64_t node, struct fuse_setattr_in in)
{
    return fs_call(&client, FUSE_SETATTR, node, &in, sizeof(in));
}

START_TEST(attributes_change)
{
    struct opened file = created("file");

    ck_assert_int_eq(write_at(file, 0, "hello", 0), 0);
    ck_assert_int_eq(
        setattr(file.node, (struct fuse_setattr_in){.valid = FATTR_MODE, .mode = 0100400}), 0);
    ck_assert_uint_eq(FS_REPLY(&client, struct fuse_attr_out).attr.mode, S_IFREG | 0400);
    ck_assert_int_eq(
        setattr(file.node,
                (struct fuse_setattr_in){.valid = FATTR_SIZE | FATTR_FH, .fh = file.fh, .size = 2}),
        0);
    has("file", "he");
    ck_assert_int_eq(setattr(file.node, (struct fuse_setattr_in){.valid = FATTR_MTIME,
                                                                 .mtime = 1000000000,
                                                                 .mtimensec = 7}),
                     0);
    ck_assert_int_eq(stat_of("file").st_mtim.tv_sec, 1000000000);
    ck_assert_int_eq(stat_of("file").st_mtim.tv_nsec, 7);
    ck_assert_int_eq(setattr(1, (struct fuse_setattr_in){.valid = FATTR_SIZE}), -EACCES);
}
END_TEST

START_TEST(write_takes_set_user_id_away_when_told)
{
    struct opened file = created("file");
    struct fuse_write_in in = {.fh = file.fh, .size = 1};

    ck_assert_int_eq(chmod(at("file"), 06755), 0);
    in.write_flags = FUSE_WRITE_KILL_SUIDGID;
    ck_assert_int_eq(fs_call_with(&client, FUSE_WRITE, file.node, &in, sizeof(in), "x", 1), 0);
    ck_assert_uint_eq(stat_of("file").st_mode & 07777, 0755);
}
END_TEST

START_TEST(extended_attributes)
{
    struct opened file = created("file");
    const struct fuse_getxattr_in length = {0}, value = {.size = 64};
    uint32_t in[2] = {5, 0};
    int r = fs_call_with(&client, FUSE_SETXATTR, file.node, in, sizeof(in), "user.a\0hello", 12);

    if (r == -EOPNOTSUPP) {
        printf("SKIP fs_write/extended_attributes: the temporary folder's file system has none\n");
        return;
    }
    ck_assert_int_eq(r, 0);
    ck_assert_int_eq(with_name(FUSE_GETXATTR, file.node, &length, sizeof(length), "user.a"), 0);
    ck_assert_uint_eq(FS_REPLY(&client, struct fuse_getxattr_out).size, 5);
    ck_assert_int_eq(with_name(FUSE_GETXATTR, file.node, &value, sizeof(value), "user.a"), 0);
    ck_assert_uint_eq(client.len, 5);
    ck_assert_mem_eq(client.body, "hello", 5);
    ck_assert_int_eq(fs_call(&client, FUSE_LISTXATTR, file.node, &value, sizeof(value)), 0);
    ck_assert_uint_ge(client.len, 7);
    ck_assert_int_eq(named(FUSE_REMOVEXATTR, file.node, "user.a"), 0);
    ck_assert_int_eq(with_name(FUSE_GETXATTR, file.node, &value, sizeof(value), "user.a"),
                     -ENODATA);
    in[0] = 6; /* longer than it is */
    ck_assert_int_eq(
        fs_call_with(&client, FUSE_SETXATTR, file.node, in, sizeof(in), "user.a\0hello", 12),
        -EINVAL);
}
END_TEST

START_TEST(data_are_made_to_last_and_copied)
{
    struct opened file = created("file"), copy = created("copy");
    const struct fuse_fsync_in sync = {.fh = file.fh}, odd = {.fh = 99};
    const struct fuse_fallocate_in room = {.fh = file.fh, .length = 4096};
    const struct fuse_copy_file_range_in in = {
        .fh_in = file.fh, .nodeid_out = copy.node, .fh_out = copy.fh, .len = 5};
    const struct fuse_syncfs_in all = {0};

    ck_assert_int_eq(write_at(file, 0, "hello", 0), 0);
    ck_assert_int_eq(fs_call(&client, FUSE_FSYNC, file.node, &sync, sizeof(sync)), 0);
    ck_assert_int_eq(fs_call(&client, FUSE_FSYNC, file.node, &odd, sizeof(odd)), -EBADF);
    ck_assert_int_eq(fs_call(&client, FUSE_SYNCFS, 1, &all, sizeof(all)), 0);
    ck_assert_int_eq(fs_call(&client, FUSE_COPY_FILE_RANGE, file.node, &in, sizeof(in)), 0);
    has("copy", "hello");
    ck_assert_int_eq(fs_call(&client, FUSE_FALLOCATE, file.node, &room, sizeof(room)), 0);
    ck_assert_int_eq(stat_of("file").st_size, 4096);
}
END_TEST

START_TEST(file_without_a_name)
{
    const struct fuse_create_in in = {.flags = O_RDWR, .mode = S_IFREG | 0600};
    struct fuse_open_out out;
    int r = with_name(FUSE_TMPFILE, 1, &in, sizeof(in), "/");

    if (r == -EOPNOTSUPP) {
        printf("SKIP fs_write/file_without_a_name: the temporary folder's file system has none\n");
        return;
    }
    ck_assert_int_eq(r, 0);
    memcpy(&out, client.body + sizeof(struct fuse_entry_out), sizeof(out));
    ck_assert_int_eq(write_at((struct opened){entry_node(), out.fh}, 0, "x", 0), 0);
}
END_TEST

START_TEST(paths_that_lead_out_are_refused)
{
    static const char *const names[] = {"..", ".", "a/b", "../x", ""};
    const struct fuse_mknod_in node = {.mode = S_IFREG | 0600};

    ck_assert_int_eq(make_folder(1, names[_i]), -EINVAL);
    ck_assert_int_eq(create(names[_i], O_RDWR, 0600), -EINVAL);
    ck_assert_int_eq(with_name(FUSE_MKNOD, 1, &node, sizeof(node), names[_i]), -EINVAL);
    ck_assert_int_eq(named(FUSE_UNLINK, 1, names[_i]), -EINVAL);
    ck_assert_int_eq(named(FUSE_RMDIR, 1, names[_i]), -EINVAL);
}
END_TEST

Suite *fs_write_suite(void);
Suite *fs_write_suite(void)
{
    Suite *suite = suite_create("fs_write");
    TCase *tcase = tcase_create("writable");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, new_file_has_its_mode_and_data);
    tcase_add_test(tcase, append_goes_to_the_end_that_there_is);
    tcase_add_loop_test(tcase, write_that_says_another_length_is_refused, 0, 2);
    tcase_add_test(tcase, write_of_more_than_was_agreed_on_is_refused);
    tcase_add_test(tcase, file_that_is_there_is_opened_unless_it_must_be_new);
    tcase_add_test(tcase, create_opens_nothing_but_a_file);
    tcase_add_test(tcase, folders_are_made_and_removed);
    tcase_add_test(tcase, special_files_are_made_but_for_devices);
    tcase_add_test(tcase, links_are_made);
    tcase_add_test(tcase, names_change);
    tcase_add_test(tcase, attributes_change);
    tcase_add_test(tcase, write_takes_set_user_id_away_when_told);
    tcase_add_test(tcase, extended_attributes);
    tcase_add_test(tcase, data_are_made_to_last_and_copied);
    tcase_add_test(tcase, file_without_a_name);
    tcase_add_loop_test(tcase, paths_that_lead_out_are_refused, 0, 5);
    suite_add_tcase(suite, tcase);
    return suite;
}

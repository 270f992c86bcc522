/* SPDX-License-Identifier: BSD-3-Clause */
/* The file system device where there are few descriptors: 512, of which a share may keep 51. */
#include "tests/devices/fs/fs_fixture.h"

#include <dirent.h>
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define LIMIT 512
#define MANY  700 /* files */

static struct rlimit limit_before;

/* Whether root's rights go beyond limits: the device then asks for more. */
static void beyond_limits(bool on)
{
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct caps[2];

    ck_assert_int_eq((int)syscall(SYS_capget, &head, caps), 0);
    caps[0].effective &= ~(1u << CAP_SYS_RESOURCE);
    if (on)
        caps[0].effective |= caps[0].permitted & 1u << CAP_SYS_RESOURCE;
    ck_assert_int_eq((int)syscall(SYS_capset, &head, caps), 0);
}

static void setup(void)
{
    const struct rlimit few = {LIMIT / 2, LIMIT}; /* of the first there may be more */

    memset(&client, 0, sizeof(client));
    capture_start(&capture);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit_before), 0);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    beyond_limits(false);
    fs_client_start(&client, ",rw");
    beyond_limits(true);
    ck_assert_int_eq(fs_init(&client), 0);
}

static void teardown_few(void)
{
    teardown();
    (void)setrlimit(RLIMIT_NOFILE, &limit_before);
}

/* What the file has is this. */
static void reads(uint64_t node, uint64_t fh, const char *text)
{
    const struct fuse_read_in in = {.fh = fh, .size = 4096};

    ck_assert_int_eq(fs_call(&client, FUSE_READ, node, &in, sizeof(in)), 0);
    ck_assert_uint_eq(client.len, strlen(text));
    ck_assert_mem_eq(client.body, text, strlen(text));
}

static int rename_in(uint64_t from, uint64_t to, uint32_t flags, const char *names, size_t len)
{
    const struct fuse_rename2_in in = {to, flags, 0};

    return fs_call_with(&client, FUSE_RENAME2, from, &in, sizeof(in), names, len);
}

/* Files that the guest comes to know, so that those which it knew before are shelved. */
static void know_many(uint64_t ret_nodes[MANY])
{
    char name[16];

    for (unsigned i = 0; i < MANY; i++) {
        (void)snprintf(name, sizeof(name), "many-%u", i);
        if (access(at(name), F_OK) < 0)
            put(name, name);
        ret_nodes[i] = node_of(name);
    }
}

static void shelve_others(void)
{
    uint64_t nodes[MANY];

    know_many(nodes);
}

static unsigned descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned count = 0;

    ck_assert_ptr_nonnull(dir);
    while (readdir(dir) != NULL)
        count++;
    ck_assert_int_eq(closedir(dir), 0);
    return count;
}

START_TEST(more_files_than_descriptors_are_served)
{
    unsigned before = descriptors();
    uint64_t nodes[MANY];
    char name[16];

    know_many(nodes);
    ck_assert_uint_le(descriptors(), before + 51);
    for (unsigned i = 0; i < MANY; i++) {
        (void)snprintf(name, sizeof(name), "many-%u", i);
        uint64_t fh = opened(FUSE_OPEN, nodes[i]);
        reads(nodes[i], fh, name);
        ck_assert_int_eq(release(FUSE_RELEASE, nodes[i], fh), 0);
    }
    ck_assert_uint_le(descriptors(), before + 51);
    for (unsigned i = 0; i < MANY; i++) {
        (void)snprintf(name, sizeof(name), "many-%u", i);
        ck_assert_uint_eq(node_of(name), nodes[i]);
    }
    ck_assert_str_eq(capture_look(&capture), "");
}
END_TEST

START_TEST(folder_with_more_files_than_descriptors_is_read)
{
    uint64_t nodes[MANY], found = 0, offset = 0;

    know_many(nodes);
    ck_assert_int_eq(open_node(FUSE_OPENDIR, 1, O_RDONLY), 0);
    uint64_t fh = FS_REPLY(&client, struct fuse_open_out).fh;
    do {
        const struct fuse_read_in in = {.fh = fh, .offset = offset, .size = 65536};
        ck_assert_int_eq(fs_call(&client, FUSE_READDIRPLUS, 1, &in, sizeof(in)), 0);
        for (size_t i = 0; i < client.len;) {
            struct fuse_direntplus entry;
            memcpy(&entry, client.body + i, sizeof(entry));
            found += entry.entry_out.nodeid != 0;
            offset = entry.dirent.off;
            i += FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET_DIRENTPLUS + entry.dirent.namelen);
        }
    } while (client.len > 0);
    ck_assert_uint_eq(found, MANY);
}
END_TEST

/* Its number may be that of the new one, too. */
START_TEST(shelved_file_that_was_replaced_is_stale)
{
    put("file", "old");
    uint64_t node = node_of("file");
    shelve_others();
    ck_assert_int_eq(unlink(at("file")), 0);
    put("file", "new");
    ck_assert_int_eq(getattr(node), -ESTALE);
    ck_assert_int_eq(open_node(FUSE_OPEN, node, O_RDONLY), -ESTALE);
    uint64_t newer = node_of("file");
    ck_assert_uint_ne(newer, node);
    reads(newer, opened(FUSE_OPEN, newer), "new");
}
END_TEST

START_TEST(shelved_file_that_was_deleted_is_stale)
{
    put("file", "old");
    ck_assert_int_eq(symlink("/etc/passwd", at("link")), 0);
    uint64_t node = node_of("file"), link = node_of("link");
    shelve_others();
    ck_assert_int_eq(rename(at("link"), at("file")), 0);
    ck_assert_int_eq(open_node(FUSE_OPEN, node, O_RDONLY), -ESTALE);
    ck_assert_int_eq(getattr(link), -ESTALE);
    ck_assert_uint_eq(node_of("file"), link); /* found where it is now */
    ck_assert_int_eq(getattr(link), 0);
    ck_assert_int_eq(getattr(node), -ESTALE);
}
END_TEST

START_TEST(shelved_file_that_the_host_moved_is_known_again)
{
    ck_assert_int_eq(mkdir(at("folder"), 0755), 0);
    put("folder/file", "text");
    uint64_t folder = node_of("folder"), node = node_in(folder, "file");
    shelve_others();
    ck_assert_int_eq(rename(at("folder/file"), at("moved")), 0);
    ck_assert_int_eq(getattr(node), -ESTALE);
    ck_assert_uint_eq(node_of("moved"), node);
    shelve_others();
    reads(node, opened(FUSE_OPEN, node), "text");
}
END_TEST

START_TEST(shelved_file_that_the_guest_moved_is_found)
{
    ck_assert_int_eq(mkdir(at("a"), 0755), 0);
    ck_assert_int_eq(mkdir(at("a/inner"), 0755), 0);
    ck_assert_int_eq(mkdir(at("b"), 0755), 0);
    put("a/inner/file", "text");
    put("other", "other");
    uint64_t a = node_of("a"), b = node_of("b"), inner = node_in(a, "inner");
    uint64_t file = node_in(inner, "file"), other = node_of("other");
    shelve_others();
    ck_assert_int_eq(rename_in(a, b, 0, "inner\0there", 12), 0);
    ck_assert_int_eq(rename_in(1, 1, RENAME_EXCHANGE, "other\0b", 8), 0);
    shelve_others();
    reads(file, opened(FUSE_OPEN, file), "text");
    reads(other, opened(FUSE_OPEN, other), "other");
    ck_assert_int_eq(access(at("other/there/file"), F_OK), 0);
}
END_TEST

START_TEST(open_file_is_not_shelved)
{
    put("file", "text");
    uint64_t node = node_of("file"), first = opened(FUSE_OPEN, node),
             second = opened(FUSE_OPEN, node);
    shelve_others();
    ck_assert_int_eq(unlink(at("file")), 0);
    shelve_others();
    ck_assert_int_eq(release(FUSE_RELEASE, node, first), 0);
    shelve_others();
    ck_assert_int_eq(getattr(node), 0);
    ck_assert_uint_eq(FS_REPLY(&client, struct fuse_attr_out).attr.nlink, 0);
    reads(node, second, "text");
    ck_assert_int_eq(release(FUSE_RELEASE, node, second), 0);
    shelve_others();
    ck_assert_int_eq(getattr(node), -ESTALE);
}
END_TEST

START_TEST(shelved_file_is_looked_for_under_its_last_name)
{
    put("a", "text");
    ck_assert_int_eq(link(at("a"), at("b")), 0);
    uint64_t node = node_of("a");
    ck_assert_uint_eq(node_of("b"), node);
    shelve_others();
    ck_assert_int_eq(unlink(at("a")), 0);
    ck_assert_int_eq(getattr(node), 0);
    shelve_others();
    ck_assert_int_eq(link(at("b"), at("a")), 0);
    ck_assert_int_eq(unlink(at("b")), 0);
    ck_assert_int_eq(getattr(node), -ESTALE);
    ck_assert_uint_eq(node_of("a"), node);
}
END_TEST

START_TEST(shelved_file_is_forgotten)
{
    const struct fuse_forget_in in = {1};

    put("file", "text");
    uint64_t node = node_of("file");
    shelve_others();
    ck_assert_int_eq(fs_call(&client, FUSE_FORGET, node, &in, sizeof(in)), 1);
    ck_assert_int_eq(getattr(node), -ESTALE);
    ck_assert_uint_ne(node_of("file"), node);
}
END_TEST

/* Its folder was forgotten, as the guest does not: there is no way to it left. */
START_TEST(shelved_file_in_a_folder_that_was_forgotten_is_stale)
{
    const struct fuse_forget_in in = {1};

    ck_assert_int_eq(mkdir(at("folder"), 0755), 0);
    put("folder/file", "text");
    uint64_t folder = node_of("folder"), node = node_in(folder, "file");
    ck_assert_int_eq(fs_call(&client, FUSE_FORGET, folder, &in, sizeof(in)), 1);
    ck_assert_int_eq(getattr(node), 0);
    shelve_others();
    ck_assert_int_eq(getattr(node), -ESTALE);
}
END_TEST

/* Half of the 51 may be on the way to a shelved file. */
START_TEST(shelved_folders_are_found_one_in_the_other)
{
    static const struct {
        unsigned depth;
        int result;
    } cases[] = {{1, 0}, {25, 0}, {30, -ESTALE}};
    uint64_t node = 1;
    char path[256] = "d";

    for (unsigned i = 0; i < cases[_i].depth; i++) {
        ck_assert_int_eq(mkdir(at(path), 0755), 0);
        node = node_in(node, "d");
        (void)strcat(path, "/d");
    }
    shelve_others();
    ck_assert_int_eq(getattr(node), cases[_i].result);
    ck_assert_int_eq(lookup(1, "d"), 0);
}
END_TEST

START_TEST(reset_forgets_shelved_files)
{
    put("file", "text");
    uint64_t node = node_of("file");
    unsigned before = descriptors();
    shelve_others();
    ck_assert_uint_eq(fake_start(&client.drv, FAKE_VERSION_1), 15);
    ck_assert_uint_le(descriptors(), before);
    ck_assert_int_eq(fs_init(&client), 0);
    ck_assert_int_eq(getattr(node), -ESTALE);
    shelve_others();
    ck_assert_int_eq(getattr(node_of("file")), 0);
}
END_TEST

/* It is said once, and what is open goes on working. */
START_TEST(too_many_open_files_are_refused)
{
    uint64_t nodes[MANY], fh = 0;
    unsigned count = 0;
    char name[16];

    know_many(nodes);
    while (count < MANY - 1 && open_node(FUSE_OPEN, nodes[count], O_RDONLY) == 0) {
        fh = FS_REPLY(&client, struct fuse_open_out).fh;
        count++;
    }
    ck_assert_uint_ge(count, 64);
    ck_assert_uint_lt(count, MANY - 1);
    ck_assert_int_eq(open_node(FUSE_OPEN, nodes[count], O_RDONLY), -ENFILE);
    ck_assert_ptr_nonnull(strstr(capture_look(&capture), "ulimit -Hn"));
    (void)snprintf(name, sizeof(name), "many-%u", count - 1);
    reads(nodes[count - 1], fh, name);
    ck_assert_int_eq(release(FUSE_RELEASE, nodes[count - 1], fh), 0);
    ck_assert_int_eq(open_node(FUSE_OPEN, nodes[count], O_RDONLY), 0);
}
END_TEST

Suite *fs_shelf_suite(void);
Suite *fs_shelf_suite(void)
{
    Suite *suite = suite_create("fs_shelf");
    TCase *tcase = tcase_create("few descriptors");

    tcase_add_checked_fixture(tcase, setup, teardown_few);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, more_files_than_descriptors_are_served);
    tcase_add_test(tcase, folder_with_more_files_than_descriptors_is_read);
    tcase_add_test(tcase, shelved_file_that_was_replaced_is_stale);
    tcase_add_test(tcase, shelved_file_that_was_deleted_is_stale);
    tcase_add_test(tcase, shelved_file_that_the_host_moved_is_known_again);
    tcase_add_test(tcase, shelved_file_that_the_guest_moved_is_found);
    tcase_add_test(tcase, open_file_is_not_shelved);
    tcase_add_test(tcase, shelved_file_is_looked_for_under_its_last_name);
    tcase_add_test(tcase, shelved_file_is_forgotten);
    tcase_add_test(tcase, shelved_file_in_a_folder_that_was_forgotten_is_stale);
    tcase_add_loop_test(tcase, shelved_folders_are_found_one_in_the_other, 0, 3);
    tcase_add_test(tcase, reset_forgets_shelved_files);
    tcase_add_test(tcase, too_many_open_files_are_refused);
    suite_add_tcase(suite, tcase);
    return suite;
}

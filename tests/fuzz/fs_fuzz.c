/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes the file system device: a conversation, message for message. Each is its length in two
 * bytes, a byte that says how much room the answer has, and the bytes of the message. The seeds are
 * what the unit tests say.
 *
 * Nearly no descriptors are there for files that are not open. Beyond memory safety: each message
 * comes back once, an answer's length is what it says, and nothing beside the share has changed.
 */
#include "devices/fs/fs.h"
#include "tests/devices/fs/fs_client.h"
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define MESSAGES_MAX 200
#define MESSAGE_MAX  4096
#define FILE_MAX     (16u << 20) /* the guest's memory is a file, too */

static char outside[] = "/tmp/fs-fuzz-XXXXXX"; /* and in it, the share alone */

static void clean_up(void)
{
    (void)rmdir(outside);
}

static void begin(void)
{
    static bool begun;
    struct rlimit limit = {FILE_MAX, FILE_MAX};

    if (begun)
        return;
    begun = true;
    must(mkdtemp(outside) != NULL && atexit(clean_up) == 0, "there is a folder");
    must(setenv("TMPDIR", outside, 1) == 0, "it is the one to use");
    (void)signal(SIGXFSZ, SIG_IGN);
    must(setrlimit(RLIMIT_FSIZE, &limit) == 0, "files stay small");
}

static unsigned entries(const char *path)
{
    DIR *dir = opendir(path);
    unsigned count = 0;

    must(dir != NULL, "it can be read");
    while (readdir(dir) != NULL)
        count++;
    (void)closedir(dir);
    return count;
}

static void fill(const struct fs_client *client)
{
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/folder", client->folder);
    must(mkdir(path, 0755) == 0, "a folder");
    (void)snprintf(path, sizeof(path), "%s/text", client->folder);
    FILE *file = fopen(path, "w");
    must(file != NULL && fputs("hello", file) >= 0 && fclose(file) == 0, "a file");
    (void)snprintf(path, sizeof(path), "%s/link", client->folder);
    must(symlink("../../etc", path) == 0, "a link");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fs_client client;
    static uint8_t message[MESSAGE_MAX];
    struct input in = {data, size};

    fake_layout = take_layout(&in);
    begin();
    log_set_level(LOG_LEVEL_ERROR); /* what the guest does wrong is told as warnings */
    memset(&client, 0, sizeof(client));
    fs_client_folder(&client);
    fill(&client);
    fs_client_start(&client, size % 4 == 0 ? "" : ",rw");
    if (size % 8 < 6) /* most of what is known is shelved */
        container_of(client.dev, struct fs, dev)->inodes.idle_max = 2;
    (void)fs_init(&client);
    for (unsigned i = 0; in.left > 0 && i < MESSAGES_MAX; i++) {
        size_t len = (take_byte(&in) | (size_t)take_byte(&in) << 8) % MESSAGE_MAX;
        client.room = take_byte(&in) * 64u; /* 0: none */
        for (size_t k = 0; k < len; k++)
            message[k] = take_byte(&in);
        if (len > 0 || client.room > 0) /* of nothing there is no request */
            (void)fs_raw(&client, message, len);
    }
    must(entries(outside) == 3, "nothing is made beside the share");
    fs_client_stop(&client);
    return 0;
}

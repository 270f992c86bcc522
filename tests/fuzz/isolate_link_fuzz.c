/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes what the process of a device says to linnet, which asks it for something, or not, in
 * between: the input is what comes on the socket. A byte below 8 is no part of that, but: 0 and 1
 * something is asked, 2 the time for the answer is up, 3 what came so far is looked at.
 *
 * Beyond memory safety: each question is answered once, with clean text, and all are at the end;
 * results are of that device, clean, and not too many.
 */
#include "tests/fuzz/fuzz.h"
#include "vmm/base/text.h"
#include "vmm/control/control_results.h"
#include "vmm/isolate_link.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define ASKS_MAX 64

struct question {
    struct virtio_command command;
    char *reply;
    size_t size;
    bool done;
};

static struct loop loop;
static struct isolate_link talk;
static struct question questions[ASKS_MAX];
static unsigned asked;

static void step(void)
{
    struct pollfd ready = {.fd = loop.epoll_fd, .events = POLLIN};

    while (poll(&ready, 1, 0) > 0) {
        loop_stop(&loop); /* one round */
        must(loop_run(&loop) == 0, "it runs");
    }
}

static void done(struct virtio_command *command)
{
    struct question *question = container_of(command, struct question, command);

    must(!question->done, "a question is answered once");
    question->done = true;
    must(fclose(command->reply) == 0, "there is memory");
    char *line = question->reply;
    for (char *end; (end = strchr(line, '\n')) != NULL; line = end + 1)
        must(text_is_clean(line, (size_t)(end - line)), "lines are clean");
    must(text_is_clean(line, strlen(line)), "text is clean");
    must(command->result == 0 || command->result == -EREMOTEIO || command->result == -EPIPE,
         "it went well, or was refused");
    free(question->reply);
}

static void ask(void)
{
    static const char *const words[] = {"jack", "0", "unplug", NULL};
    struct question *question = &questions[asked];

    if (asked == ASKS_MAX)
        return;
    asked++;
    *question = (struct question){.command = {.words = words, .done = done}};
    question->command.reply = open_memstream(&question->reply, &question->size);
    must(question->command.reply != NULL, "there is memory");
    isolate_link_command(&talk, &question->command);
}

static void time_is_up(void)
{
    struct pollfd up = {.fd = talk.timer.fd, .events = POLLIN};

    timebase_monotonic.arm(&timebase_monotonic, talk.timer.fd, 0);
    (void)poll(&up, 1, 1000);
    step();
}

static void check_results(void)
{
    must(talk.results.count <= CONTROL_RESULTS_MAX, "results have a bound");
    for (size_t i = 0; i < talk.results.count; i++) {
        const struct result *result = &talk.results.at[i];
        must(text_is_clean(result->what, strlen(result->what)), "results are clean");
        must(result->who == NULL || strcmp(result->who, "snd1") == 0, "results are its own");
    }
}

static void say(int process, const uint8_t *data, size_t len)
{
    ssize_t sent = len > 0 ? send(process, data, len, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;

    must(sent == (ssize_t)len || errno == EPIPE || errno == EAGAIN, "it was said");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int ends[2];
    size_t begin = 0;

    log_set_level(LOG_LEVEL_ERROR);
    asked = 0;
    must(loop_init(&loop) == 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0,
         "sockets");
    must(isolate_link_init(&talk, "snd1", ends[0], &loop) == 0, "a loop");
    for (size_t i = 0; i <= size; i++) {
        if (i < size && data[i] >= 8)
            continue;
        say(ends[1], data + begin, i - begin);
        begin = i + 1;
        step();
        if (i < size && data[i] < 2)
            ask();
        else if (i < size && data[i] == 2)
            time_is_up();
        check_results();
    }
    (void)close(ends[1]);
    isolate_link_end(&talk);
    check_results();
    for (unsigned i = 0; i < asked; i++)
        must(questions[i].done, "all are answered");
    isolate_link_fini(&talk);
    loop_fini(&loop);
    return 0;
}

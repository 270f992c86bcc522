/* SPDX-License-Identifier: BSD-3-Clause */
/* See control_line.h. */
#include "vmm/control/control_line.h"

#include "vmm/base/text.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Cuts one word off *cursor, which is at its first byte. */
static int word_cut(char **cursor, const char **ret_word)
{
    char *in = *cursor, *out = *cursor;

    *ret_word = out;
    if (*in != '\'') {
        in += strcspn(in, " ");
        *cursor = *in == '\0' ? in : in + 1;
        *in = '\0';
        return 0;
    }
    for (in++; *in != '\0' && (in[0] != '\'' || in[1] == '\''); in++) {
        if (*in == '\'')
            in++; /* twice stands for once */
        *out++ = *in;
    }
    if (*in == '\0' || (in[1] != '\0' && in[1] != ' '))
        return -EINVAL;
    *cursor = in[1] == '\0' ? in + 1 : in + 2;
    *out = '\0';
    return 0;
}

int control_split(char *line, const char *words[CONTROL_WORDS_MAX + 1])
{
    int count = 0;

    for (char *cursor = line; *(cursor += strspn(cursor, " ")) != '\0'; count++) {
        if (count == CONTROL_WORDS_MAX)
            return -E2BIG;
        int r = word_cut(&cursor, &words[count]);
        if (r < 0)
            return r;
    }
    words[count] = NULL;
    return count;
}

/* Appends a byte; the last one is kept for the newline. */
static int append(char line[CONTROL_LINE_MAX], size_t *len, char c)
{
    if (*len >= CONTROL_LINE_MAX - 1)
        return -E2BIG;
    line[(*len)++] = c;
    return 0;
}

static int append_word(char line[CONTROL_LINE_MAX], size_t *len, const char *word)
{
    bool quoted = word[0] == '\0' || strpbrk(word, " '") != NULL;
    int r = quoted ? append(line, len, '\'') : 0;

    for (; *word != '\0' && r == 0; word++) {
        r = append(line, len, *word);
        if (r == 0 && *word == '\'')
            r = append(line, len, '\'');
    }
    return r == 0 && quoted ? append(line, len, '\'') : r;
}

int control_join(char *const words[], char ret_line[CONTROL_LINE_MAX])
{
    size_t len = 0;
    int r = words[0] == NULL ? -EINVAL : 0;

    for (int i = 0; words[i] != NULL && r == 0; i++) {
        if (i == CONTROL_WORDS_MAX || strlen(words[i]) >= CONTROL_LINE_MAX)
            return -E2BIG;
        if (!text_is_clean(words[i], strlen(words[i])))
            return -EINVAL;
        if (i > 0)
            r = append(ret_line, &len, ' ');
        if (r == 0)
            r = append_word(ret_line, &len, words[i]);
    }
    if (r < 0)
        return r;
    ret_line[len++] = '\n';
    return (int)len;
}

int control_address(const char *path, struct sockaddr_un *ret_address)
{
    size_t len = strlen(path);

    if (len >= sizeof(ret_address->sun_path))
        return -ENAMETOOLONG;
    *ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(ret_address->sun_path, path, len);
    return 0;
}

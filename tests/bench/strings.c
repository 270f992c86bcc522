/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A plugin of QEMU's (docs/devel/tcg-plugins in its source): counts the instructions of the outer
 * machine from when marked.c ran until a CPU first enters a guest, and how many of them are
 * iterations of a string instruction (rep movs, rep stos), of which a real CPU counts one for all.
 *
 *   -plugin strings.so,out=FILE    "INSTRUCTIONS ITERATIONS" goes there
 *
 * x86_64 only, one CPU. QEMU runs such an instruction as a block of its own, once an iteration.
 * Debian has no header of this interface: what is used of it is declared here.
 */
#include "tests/bench/marked.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define EXPORT  __attribute__((visibility("default")))
#define ADD     0 /* QEMU_PLUGIN_INLINE_ADD_U64 */
#define NO_REGS 0 /* QEMU_PLUGIN_CB_NO_REGS */

struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef void plugin_exec(unsigned cpu, void *ctx);
typedef void plugin_trans(uint64_t id, struct qemu_plugin_tb *tb);

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, plugin_trans *trans);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, plugin_exec *exec, int flags,
                                          void *ctx);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb, int op, void *counter,
                                              uint64_t add);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, plugin_exec *exec,
                                            int flags, void *ctx);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);

EXPORT int qemu_plugin_version = 1;
EXPORT int qemu_plugin_install(uint64_t id, const void *info, int argc, char *argv[]);

struct counts {
    uint64_t instructions, iterations;
};
static struct counts now, begun;
static bool counting;
static const char *out;

static void mark_reached(unsigned cpu, void *ctx)
{
    (void)cpu;
    (void)ctx;
    begun = now;
    counting = true;
}

static void guest_entered(unsigned cpu, void *ctx)
{
    FILE *file = counting ? fopen(out, "we") : NULL;
    (void)cpu;
    (void)ctx;

    counting = false;
    if (file == NULL)
        return;
    (void)fprintf(file, "%llu %llu\n", (unsigned long long)(now.instructions - begun.instructions),
                  (unsigned long long)(now.iterations - begun.iterations));
    (void)fclose(file); /* the reader sees it */
}

/* F2 or F3, perhaps REX, and an opcode of A4 to A7 or AA to AF. */
static bool is_repeated(const uint8_t *code, size_t size)
{
    if (size < 2 || (code[0] != 0xf2 && code[0] != 0xf3))
        return false;
    uint8_t opcode = size > 2 && (code[1] & 0xf0) == 0x40 ? code[2] : code[1];
    return (opcode >= 0xa4 && opcode <= 0xa7) || (opcode >= 0xaa && opcode <= 0xaf);
}

static bool is_vmrun(const uint8_t *code, size_t size)
{
    return size == 3 && memcmp(code, "\x0f\x01\xd8", 3) == 0;
}

static void translated(uint64_t id, struct qemu_plugin_tb *tb)
{
    const size_t count = qemu_plugin_tb_n_insns(tb);

    (void)id;
    if (qemu_plugin_tb_vaddr(tb) == MARK_ADDRESS)
        qemu_plugin_register_vcpu_tb_exec_cb(tb, mark_reached, NO_REGS, NULL);
    qemu_plugin_register_vcpu_tb_exec_inline(tb, ADD, &now.instructions, count);
    for (size_t i = 0; i < count; i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        const uint8_t *code = qemu_plugin_insn_data(insn);
        const size_t size = qemu_plugin_insn_size(insn);
        if (count == 1 && is_repeated(code, size))
            qemu_plugin_register_vcpu_tb_exec_inline(tb, ADD, &now.iterations, 1);
        if (is_vmrun(code, size))
            qemu_plugin_register_vcpu_insn_exec_cb(insn, guest_entered, NO_REGS, NULL);
    }
}

int qemu_plugin_install(uint64_t id, const void *info, int argc, char *argv[])
{
    (void)info;
    if (argc != 1 || strncmp(argv[0], "out=", 4) != 0)
        return -1;
    out = argv[0] + 4; /* stays */
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For LD_PRELOAD: mends a fault of QEMU's emulated SVM in the memory of the process, before it
 * runs.
 *
 * VMRUN that injects an interrupt notes its vector as an exception to be taken, takes it, and
 * leaves the note. Should QEMU come back to its main loop before the guest's next exit, which with
 * -icount is whenever a timer is due, the guest gets the interrupt a second time, even with
 * interrupts off: now and then an inner guest waits for ever for a lock that it has. (QEMU 7.2, and
 * later ones.)
 *
 * The function that takes it, do_interrupt_x86_hardirq(), is known by name, since QEMU exports it
 * to its modules. Each call of it is led through once() here, which removes the note, as QEMU does
 * itself where it takes other interrupts. Where anything is not as it was found in Debian's QEMU,
 * nothing is changed, and a line on standard error says so.
 */
#include <dlfcn.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE 4096
#define NEAR ((uintptr_t)1 << 30) /* what a call reaches, and more */

typedef void hardirq_fn(void *env, int vector, int is_hardware);

static hardirq_fn *hardirq;
static int32_t note_offset; /* of exception_index in CPUState */

static void once(void *env, int vector, int is_hardware)
{
    static __thread char **cpu; /* this thread's current_cpu */

    hardirq(env, vector, is_hardware);
    if (cpu == NULL)
        cpu = dlsym(RTLD_DEFAULT, "current_cpu");
    if (cpu != NULL && *cpu != NULL)
        memcpy(*cpu + note_offset, &(int32_t){-1}, sizeof(int32_t));
}

/* cpu_loop_exit_noexc() begins by removing the note: movl $-1, offset(%rdi). */
static int find_note(const uint8_t *code)
{
    static const uint8_t minus_one[4] = {0xff, 0xff, 0xff, 0xff};

    for (int i = 0; i < 16; i++)
        if (code[i] == 0xc7 && code[i + 1] == 0x87 &&
            memcmp(code + i + 6, minus_one, sizeof(minus_one)) == 0) {
            memcpy(&note_offset, code + i + 2, sizeof(note_offset));
            return 0;
        }
    return -1;
}

struct text {
    uint8_t *start, *end;
};

/* The loaded code that hardirq() is in. */
static int find_text(struct dl_phdr_info *info, size_t size, void *opaque)
{
    struct text *text = opaque;

    (void)size;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + segment->p_vaddr;
        if (segment->p_type == PT_LOAD && (segment->p_flags & PF_X) != 0 &&
            (uintptr_t)hardirq >= start && (uintptr_t)hardirq - start < segment->p_memsz) {
            *text = (struct text){(uint8_t *)start, (uint8_t *)start + segment->p_memsz};
            return 1;
        }
    }
    return 0;
}

/* A page with a jump to once(), so near that all of the text can call it. */
static uint8_t *make_jump(const struct text *text)
{
    static const uint8_t jump[6] = {0xff, 0x25}; /* jmp *0(%rip); then the address */
    void (*target)(void *, int, int) = once;
    uintptr_t at = ((uintptr_t)text->end + 64 * PAGE) & ~(uintptr_t)(PAGE - 1);

    for (; at - (uintptr_t)text->start < NEAR; at += 64 * PAGE) {
        uint8_t *page = mmap((void *)at, PAGE, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        if (page == MAP_FAILED)
            continue;
        memcpy(page, jump, sizeof(jump));
        memcpy(page + sizeof(jump), &target, sizeof(target));
        return mprotect(page, PAGE, PROT_READ | PROT_EXEC) == 0 ? page : NULL;
    }
    return NULL;
}

/* Leads each call of hardirq() to `jump`. Returns how many, or -1. */
static int lead_calls(const struct text *text, const uint8_t *jump)
{
    uint8_t *first = (uint8_t *)((uintptr_t)text->start & ~(uintptr_t)(PAGE - 1));
    size_t bytes = (size_t)(text->end - first);
    int calls = 0;

    if (mprotect(first, bytes, PROT_READ | PROT_WRITE) < 0)
        return -1;
    for (uint8_t *at = text->start; at + 5 <= text->end; at++) {
        int32_t distance;
        if (*at != 0xe8)
            continue;
        memcpy(&distance, at + 1, sizeof(distance));
        if ((uintptr_t)(at + 5 + distance) != (uintptr_t)hardirq)
            continue;
        distance = (int32_t)(jump - (at + 5));
        memcpy(at + 1, &distance, sizeof(distance));
        calls++;
    }
    return mprotect(first, bytes, PROT_READ | PROT_EXEC) < 0 ? -1 : calls;
}

__attribute__((constructor)) static void mend(void)
{
    void *exit_code = dlsym(RTLD_DEFAULT, "cpu_loop_exit_noexc");
    void *function = dlsym(RTLD_DEFAULT, "do_interrupt_x86_hardirq");
    struct text text;
    uint8_t *jump;
    int calls = 0;

    memcpy(&hardirq, &function, sizeof(function));
    if (hardirq != NULL && exit_code != NULL && dlsym(RTLD_DEFAULT, "current_cpu") != NULL &&
        find_note(exit_code) == 0 && dl_iterate_phdr(find_text, &text) == 1 &&
        (jump = make_jump(&text)) != NULL)
        calls = lead_calls(&text, jump);
    if (calls <= 0)
        (void)fprintf(stderr, "interrupt_once: this QEMU is another than expected; not mended\n");
}

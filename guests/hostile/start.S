/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How both CPUs come to cpu_main() in 64-bit mode: the first by the PVH entry, in 32-bit protected
 * mode with EBX = start_info; the second by a start-up interrupt, in real mode, where main.c has put
 * a copy of the trampoline.
 */
#define CR0_PE   0x1
#define CR0_PG   0x80000000
#define CR4_PAE  0x20
#define MSR_EFER 0xc0000080
#define EFER_LME 0x100

#define CODE64 0x08
#define DATA   0x10
#define CODE32 0x18

#define STACK_BYTES 16384

    .section .note.pvh, "a", @note
    .long 4, 4, 18 /* XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .long first

    .text
    .code32
    .globl first
first:
    mov $stacks + STACK_BYTES, %esp
    mov $0, %edi
    mov %ebx, %esi
    jmp to_long_mode

second:
    mov $DATA, %eax
    mov %eax, %ds
    mov %eax, %ss
    mov $stacks + 2 * STACK_BYTES, %esp
    mov $1, %edi
    mov $0, %esi

to_long_mode:
    lgdt gdt_pointer
    mov $CR4_PAE, %eax
    mov %eax, %cr4
    mov $tables, %eax
    mov %eax, %cr3
    mov $MSR_EFER, %ecx
    rdmsr
    or $EFER_LME, %eax
    wrmsr
    mov %cr0, %eax
    or $(CR0_PE | CR0_PG), %eax
    mov %eax, %cr0
    ljmp $CODE64, $long_mode

    .code64
long_mode:
    mov $DATA, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov %esp, %esp /* and nothing in the upper half */
    mov %edi, %edi
    mov %esi, %esi
    call cpu_main
stop:
    cli
    hlt
    jmp stop

    .section .rodata
    .code16
    .globl trampoline, trampoline_end
trampoline:
    cli
    mov %cs, %ax
    mov %ax, %ds
    lgdtl pointer - trampoline
    mov %cr0, %eax
    or $CR0_PE, %al
    mov %eax, %cr0
    ljmpl $CODE32, $second
pointer:
    .word gdt_end - gdt - 1
    .long gdt
trampoline_end:

    .balign 8
gdt:
    .quad 0
    .quad 0x00af9b000000ffff /* CODE64 */
    .quad 0x00cf93000000ffff /* DATA */
    .quad 0x00cf9b000000ffff /* CODE32 */
gdt_end:
gdt_pointer:
    .word gdt_end - gdt - 1
    .long gdt

/* The low 4 GiB as they are, in pages of 2 MiB. */
    .data
    .balign 4096
tables:
    .quad pointers + 0x3
    .fill 511, 8, 0
pointers:
    .set i, 0
    .rept 4
    .quad directories + i * 4096 + 0x3
    .set i, i + 1
    .endr
    .fill 508, 8, 0
directories:
    .set i, 0
    .rept 2048
    .quad i * 0x200000 + 0x83
    .set i, i + 1
    .endr

    .bss
    .balign 16
stacks:
    .skip 2 * STACK_BYTES

    .section .note.GNU-stack, "", @progbits

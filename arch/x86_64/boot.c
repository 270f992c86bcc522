/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * x86_64_load(): a Linux kernel, its initrd and command line into guest RAM, and around them what a
 * boot loader owes it (Documentation/arch/x86/boot.rst, zero-page.rst): boot_params, e820, page
 * tables, GDT, ACPI. Also the stub that turns a real-mode reboot into a reset.
 *
 * Runs on the main thread before any vCPU exists, so RAM holds still. Files are not trusted: each
 * number in them is checked before use. Host byte order and KVM play no part.
 */
#include "arch/x86_64/boot.h"
#include "arch/x86_64/layout.h"
#include "arch/x86_64/table.h"
#include "arch/x86_64/tree.h"
#include "arch/x86_64/x86_64.h"
#include "vmm/base/log.h"

#include <inttypes.h>
#include <string.h>

#define MIB  ((uint64_t)1 << 20)
#define PAGE 4096ULL

/* Page table entries: present and writable; of a page directory also "maps 2 MiB". */
#define PTE_TABLE     0x03
#define PTE_LARGE     0x83
#define LARGE_PAGE    (2 * MIB)
#define TABLE_ENTRIES 512

/* What people hand us instead of a kernel. */
static const struct {
    size_t offset;
    const char *magic;
    const char *what;
} strangers[] = {
    {0x38, "ARM\x64", "an arm64 kernel (Image); this machine is x86_64"},
    {0x38, "RSC\x05", "a riscv64 kernel (Image); this machine is x86_64"},
    {0x24, "\x18\x28\x6f\x01", "a 32-bit ARM kernel (zImage); this machine is x86_64"},
    {0x04, "zimg", "an EFI zboot image, made for arm64 or riscv64; this machine is x86_64"},
    {0, "\x1f\x8b\x08", "a gzip file, not a kernel; unpack it first"},
    {0, "\x28\xb5\x2f\xfd", "a zstd file, not a kernel; unpack it first"},
    {0, "\3757zXZ", "an xz file, not a kernel; unpack it first"},
    {0, "070701", "a cpio archive, as initrds are, not a kernel"},
};

static uint64_t to_mib(uint64_t bytes)
{
    return bytes / MIB + (bytes % MIB != 0);
}

void *load_at(const struct load *load, gpa_t addr, uint64_t len)
{
    void *host = memory_at(load->mem, addr, len);

    assert(host != NULL);
    return host;
}

int load_check_room(const struct load *load, gpa_t addr, uint64_t len)
{
    const char *name = load->kernel->name;
    uint64_t need;

    if (addr < LAYOUT_HIGH_RAM || ckd_add(&need, addr, len) || need > LAYOUT_HOLE_START)
        return log_plain(-EBADMSG, "%s: damaged: wants %" PRIu64 " bytes at address 0x%" PRIx64,
                         name, len, addr);
    if (need > load->low_ram_bytes)
        return log_plain(-ENOMEM, "%s: needs --mem of at least %" PRIu64 " MiB, it is %" PRIu64,
                         name, to_mib(need), load->mem->size / MIB);
    return 0;
}

/* -- kernel -- */

static int load_kernel(struct load *load)
{
    const struct image *kernel = load->kernel;

    if (kernel->size == 0)
        return log_plain(-ENOEXEC, "%s: an empty file, not a kernel", kernel->name);
    if (image_has(kernel, 0, "\177ELF"))
        return elf_load(load);
    if (image_has(kernel, 0x1fe, "\x55\xaa") && image_has(kernel, 0x202, "HdrS"))
        return bzimage_load(load);
    for (size_t i = 0; i < ARRAY_SIZE(strangers); i++)
        if (image_has(kernel, strangers[i].offset, strangers[i].magic))
            return log_plain(-ENOEXEC, "%s: %s", kernel->name, strangers[i].what);
    return log_plain(-ENOEXEC, "%s: not a kernel; give a Linux bzImage (vmlinuz) or an ELF vmlinux",
                     kernel->name);
}

/* -- initrd and command line -- */

/* At the top of low RAM, or as high as the kernel can use it; page aligned; above the kernel. */
static int load_initrd(struct load *load)
{
    const struct image *initrd = load->initrd;
    uint64_t floor = round_up(load->kernel_end, PAGE);
    uint64_t ceiling_max = MIN(LAYOUT_HOLE_START, load->initrd_limit); /* with RAM in plenty */
    uint64_t ceiling = MIN(load->low_ram_bytes, load->initrd_limit);

    if (initrd->size == 0)
        return 0;
    if (ceiling_max < floor || initrd->size > ceiling_max - floor)
        return log_plain(-ENOMEM,
                         "%s: initrd of %" PRIu64 " MiB, more than this kernel can find room for",
                         initrd->name, to_mib(initrd->size));
    if (ceiling < floor || initrd->size > ceiling - floor)
        return log_plain(-ENOMEM,
                         "%s: needs --mem of at least %" PRIu64
                         " MiB beside the kernel, it is %" PRIu64,
                         initrd->name, to_mib(floor + initrd->size), load->mem->size / MIB);
    load->initrd_addr = (ceiling - initrd->size) / PAGE * PAGE;
    memory_expect(load->mem, load->initrd_addr, initrd->size);
    memcpy(load_at(load, load->initrd_addr, initrd->size), initrd->bytes, initrd->size);
    return 0;
}

static int load_cmdline(struct load *load)
{
    const char *cmdline = load->platform->cmdline;
    size_t len = strlen(cmdline);
    uint64_t most = MIN(load->cmdline_bytes_max, x86_64_layout.cmdline_bytes_max - 1);

    if (len > most)
        return log_plain(
            -E2BIG, "%s: command line of %zu bytes, the kernel takes %" PRIu64 "; shorten --append",
            load->kernel->name, len, most);
    memcpy(load_at(load, LAYOUT_CMDLINE, len + 1), cmdline, len + 1);
    load->cmdline_bytes = len;
    return 0;
}

/* -- what surrounds them -- */

static struct e820_entry e820(gpa_t start, gpa_t end, uint32_t type)
{
    return (struct e820_entry){to_le64(start), to_le64(end - start), to_le32(type)};
}

unsigned e820_build(const struct memory *mem, struct e820_entry ret_map[E820_BUILD_MAX])
{
    const gpa_t acpi_end = LAYOUT_ACPI + LAYOUT_ACPI_BYTES;
    unsigned count = 0;

    ret_map[count++] = e820(0, LAYOUT_LOW_RAM_END, E820_RAM);
    ret_map[count++] = e820(LAYOUT_ACPI, acpi_end, E820_ACPI);
    ret_map[count++] = e820(acpi_end, LAYOUT_HIGH_RAM, E820_RESERVED);
    ret_map[count++] = e820(LAYOUT_HIGH_RAM, mem->region[0].size, E820_RAM);
    for (unsigned i = 1; i < mem->region_count; i++) {
        const struct memory_region *region = &mem->region[i];
        ret_map[count++] = e820(region->base, region->base + region->size, E820_RAM);
    }
    return count;
}

/* Puts the seed before what is in the list of setup_data. The kernel wipes it once it is used. */
static void fill_seed(struct load *load)
{
    const struct platform_seed *seed = load->platform->seed;
    struct {
        struct setup_data header;
        uint8_t rng[sizeof(seed->rng)];
    } data = {
        .header.next = load->params.hdr.setup_data,
        .header.type = to_le32(SETUP_RNG_SEED),
        .header.size = to_le32(sizeof(data.rng)),
    };

    if (seed == NULL)
        return;
    memcpy(data.rng, seed->rng, sizeof(data.rng));
    memcpy(load_at(load, LAYOUT_SEED, sizeof(data)), &data, sizeof(data));
    explicit_bzero(data.rng, sizeof(data.rng));
    load->params.hdr.setup_data = to_le64(LAYOUT_SEED);
}

/* Fills boot_params but for the kernel's own header, which its loader left in params.hdr. */
static void fill_boot_params(struct load *load)
{
    struct boot_params *params = &load->params;
    struct setup_header *hdr = &params->hdr;
    uint64_t initrd_size = load->initrd->size;

    params->acpi_rsdp_addr = to_le64(LAYOUT_ACPI);
    hdr->type_of_loader = LOADER_UNREGISTERED;
    hdr->loadflags |= LOADFLAGS_HIGH;
    hdr->ramdisk_image = to_le32((uint32_t)load->initrd_addr);
    hdr->ramdisk_size = to_le32((uint32_t)initrd_size);
    params->ext_ramdisk_image = to_le32((uint32_t)(load->initrd_addr >> 32));
    params->ext_ramdisk_size = to_le32((uint32_t)(initrd_size >> 32));
    hdr->cmd_line_ptr = to_le32(LAYOUT_CMDLINE);
    params->ext_cmd_line_ptr = to_le32(0);
    params->e820_entries = (uint8_t)e820_build(load->mem, params->e820_table);
    memcpy(load_at(load, LAYOUT_BOOT_PARAMS, sizeof(*params)), params, sizeof(*params));
}

static void put_le64(uint8_t *table, size_t index, uint64_t value)
{
    le64 wire = to_le64(value);

    memcpy(table + index * sizeof(wire), &wire, sizeof(wire));
}

/* Identity map of the low 4 GiB in 2 MiB pages: one PML4, one PDPT, four page directories. */
static void fill_page_tables(const struct load *load)
{
    const gpa_t pdpt = LAYOUT_PAGE_TABLES + PAGE, directories = pdpt + PAGE;
    const size_t directory_count = 4;
    uint8_t *tables = load_at(load, LAYOUT_PAGE_TABLES, LAYOUT_PAGE_TABLES_BYTES);

    put_le64(tables, 0, pdpt | PTE_TABLE);
    for (size_t i = 0; i < directory_count; i++)
        put_le64(tables + PAGE, i, (directories + i * PAGE) | PTE_TABLE);
    for (size_t i = 0; i < directory_count * TABLE_ENTRIES; i++)
        put_le64(tables + 2 * PAGE, i, i * LARGE_PAGE | PTE_LARGE);
}

static void fill_gdt(const struct load *load)
{
    uint8_t *gdt = load_at(load, LAYOUT_GDT, LAYOUT_GDT_BYTES);

    /* Base 0, limit 4 GiB: 64-bit code that may be read; data that may be written. */
    put_le64(gdt, LAYOUT_GDT_CODE64 / 8, 0x00af9b000000ffff);
    put_le64(gdt, LAYOUT_GDT_DATA / 8, 0x00cf93000000ffff);
}

/* Where a PC has its reset vector for real mode. A hardware-reduced guest that was not told how to
 * reboot goes back to real mode and jumps here, expecting a BIOS; the keyboard controller's reset
 * pulse is what a BIOS would end in. */
static void fill_reset_stub(const struct load *load)
{
    static const uint8_t stub[] = {
        0xfa,                       /* cli */
        0xb0, 0xfe,                 /* mov al, 0xfe */
        0xe6, LAYOUT_I8042_COMMAND, /* out 0x64, al */
        0xf4,                       /* hlt */
        0xeb, 0xfd,                 /* jmp to the hlt */
    };

    _Static_assert(sizeof(stub) <= LAYOUT_RESET_STUB_BYTES, "ends at 1 MiB");
    memcpy(load_at(load, LAYOUT_RESET_STUB, sizeof(stub)), stub, sizeof(stub));
}

static int fill_acpi(const struct load *load)
{
    uint8_t *area = load_at(load, LAYOUT_ACPI, LAYOUT_ACPI_BYTES);
    struct acpi_tables tables;
    int r = acpi_build(load->platform, LAYOUT_ACPI, area, LAYOUT_ACPI_BYTES, &tables);

    if (r < 0)
        return log_error(r, "ACPI tables of %u devices", load->platform->device_count);
    return 0;
}

int x86_64_load(const struct platform *platform, const struct image *kernel,
                const struct image *initrd, struct arch_entry *ret_entry)
{
    struct load load = {
        .platform = platform,
        .mem = platform->mem,
        .kernel = kernel,
        .initrd = initrd,
        .low_ram_bytes = memory_left(platform->mem, 0),
    };
    int r;

    r = load_kernel(&load);
    if (r < 0)
        return r;
    assert(load.kernel_end > LAYOUT_HIGH_RAM && load.kernel_end <= load.low_ram_bytes);
    r = load_initrd(&load);
    if (r < 0)
        return r;
    r = load_cmdline(&load);
    if (r < 0)
        return r;
    r = x86_64_tree_load(&load);
    if (r < 0)
        return r;
    r = fill_acpi(&load);
    if (r < 0)
        return r;
    fill_page_tables(&load);
    fill_gdt(&load);
    fill_reset_stub(&load);
    if (load.entry.kind == ENTRY_PVH32) {
        pvh_fill(&load);
    } else {
        fill_seed(&load);
        fill_boot_params(&load);
    }
    *ret_entry = load.entry;
    return 0;
}

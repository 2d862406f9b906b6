# The entries, both in 32-bit protected mode without paging, and the way from
# there into 64-bit Rust. A loader promises flat segments and nothing else, so
# nothing of its state is used but the register with its information.
#
#   PVH        ebx = address of hvm_start_info
#              (Xen, docs/misc/pvh.pandoc)
#   Multiboot2 eax = 0x36d76289, ebx = address of the information
#              (Multiboot2 specification 2.0, 3.3)

.set PROTOCOL_PVH, 0
.set PROTOCOL_MULTIBOOT2, 1

.section .note.pvh, "a", @note
.balign 4
    .4byte 4, 4, 18                     # namesz, descsz, XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .4byte muster_pvh_entry

# The image's own: the table of the loader's CPUIDs (`cpu`, registers.rs).
.section .note.muster, "a", @note
.balign 4
    .4byte 7, 16, 1                     # namesz, descsz, the table's first address and its end
    .asciz "Muster"
.balign 4
    .8byte cpuid_table_start, cpuid_table_end

.section .multiboot2, "a"
.balign 8
multiboot2_header:
    .4byte 0xe85250d6, 0                # magic, architecture i386
    .4byte multiboot2_header_end - multiboot2_header
    .4byte -(0xe85250d6 + 0 + (multiboot2_header_end - multiboot2_header))
    .balign 8
    .2byte 3, 0                         # entry address tag
    .4byte 12, muster_multiboot2_entry
    .balign 8
    .2byte 6, 0                         # modules aligned to pages
    .4byte 8
    .balign 8
    .2byte 0, 0                         # end tag
    .4byte 8
multiboot2_header_end:

.text
.code32
.global muster_pvh_entry
muster_pvh_entry:
    movl $PROTOCOL_PVH, %esi
    jmp enter_long_mode

.global muster_multiboot2_entry
muster_multiboot2_entry:
    movl $PROTOCOL_MULTIBOOT2, %esi
    # An image entered by something that is no Multiboot2 loader: no road back.
    cmpl $0x36d76289, %eax
    jne stop

enter_long_mode:
    cli
    cld
    rdtsc                               # the boot's time counts from here
    movl %eax, boot_tsc
    movl %edx, boot_tsc + 4
    movl $boot_stack_top, %esp
    movl %ebx, %edi                     # first argument: the information

    # Identity map: 4 GiB in 2 MiB pages, since the kernel and every table of
    # firmware are below; the first 2 MiB in 4 KiB pages, since the kernel
    # remaps the page at 0x8000 alone.
    movl $(boot_pdpt + 3), boot_pml4
    xorl %ecx, %ecx
1:  movl %ecx, %eax
    shll $12, %eax
    addl $(boot_pd + 3), %eax
    movl %eax, boot_pdpt(, %ecx, 8)
    incl %ecx
    cmpl $4, %ecx
    jne 1b

    xorl %ecx, %ecx
2:  movl %ecx, %eax
    shll $21, %eax
    orl $0x83, %eax                     # present, writable, 2 MiB
    movl %eax, boot_pd(, %ecx, 8)
    incl %ecx
    cmpl $2048, %ecx
    jne 2b

    movl $(boot_pt + 3), boot_pd
    xorl %ecx, %ecx
3:  movl %ecx, %eax
    shll $12, %eax
    orl $3, %eax
    movl %eax, boot_pt(, %ecx, 8)
    incl %ecx
    cmpl $512, %ecx
    jne 3b

    movl %cr4, %eax
    orl $(1 << 5), %eax                 # PAE
    movl %eax, %cr4
    movl $boot_pml4, %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx              # EFER
    rdmsr
    orl $((1 << 8) | (1 << 11)), %eax   # LME, NXE
    wrmsr
    movl %cr0, %eax
    orl $((1 << 31) | 1), %eax          # PG, PE
    movl %eax, %cr0
    lgdtl boot_gdtr
    ljmpl $8, $long_mode

stop:
    hlt
    jmp stop

.code64
long_mode:
    xorl %eax, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %fs
    movl %eax, %gs
    movl %eax, %ss
    movl %edi, %edi                     # the upper halves are undefined
    movl %esi, %esi
    xorl %ebp, %ebp
    call {enter}
    ud2

.section .rodata
.balign 8
boot_gdt:
    .8byte 0
    .8byte 0x00af9a000000ffff           # 64-bit code
boot_gdtr:
    .2byte . - boot_gdt - 1
    .8byte boot_gdt

.section .bss.boot, "aw", @nobits
.balign 4096
.global boot_tsc
boot_tsc:   .skip 4096
boot_pml4:  .skip 4096
boot_pdpt:  .skip 4096
boot_pd:    .skip 4 * 4096
boot_pt:    .skip 4096
.global boot_stack
boot_stack: .skip {stack_size}
boot_stack_top:
.text

/*
 * Firmware that is the whole guest: no kernel, so that it runs wherever a processor does. It enters 64-bit mode with tables of its own
 * (2 MiB pages: 64 MiB at address 0 and again at 0xffff800000000000, and the last 2 MiB below 4 GiB), copies a text to 0x300000, and
 * then for ever counts at 0x8000 and copies the 8 bytes at 0x8010 to 0x8018.
 */
.set ROM, 0xffff0000
.code16
.globl _start
_start:
  cli
  lgdtl %cs:gdt_register - _start
  movl %cr0, %eax
  orb $1, %al
  movl %eax, %cr0
  ljmpl $8, $(ROM + protected - _start)

.code32
protected:
  movw $16, %ax
  movw %ax, %ds
  movw %ax, %es
  movw %ax, %ss
  movl $0x9000, %esp
  xorl %eax, %eax
  movl $0x10000, %edi
  movl $(4 * 1024), %ecx
  rep stosl
  movl $0x11003, 0x10000            /* top table: address 0 */
  movl $0x11003, 0x10000 + 256 * 8  /* and the upper half */
  movl $0x12003, 0x11000
  movl $0x13003, 0x11000 + 3 * 8
  movl $0x83, %eax
  movl $0x12000, %edi
  movl $32, %ecx
1:
  movl %eax, (%edi)
  addl $0x200000, %eax
  addl $8, %edi
  loop 1b
  movl $0xffe00083, 0x13000 + 511 * 8
  movl $0x10000, %eax
  movl %eax, %cr3
  movl $0x20, %eax                  /* PAE */
  movl %eax, %cr4
  movl $0xc0000080, %ecx            /* EFER: LME */
  rdmsr
  orl $0x100, %eax
  wrmsr
  movl %cr0, %eax
  orl $0x80000000, %eax             /* PG */
  movl %eax, %cr0
  ljmpl $24, $(ROM + long - _start)

.code64
long:
  movabsq $0x1122334455667788, %r12
  movl $(ROM + text - _start), %esi
  movl $0x300000, %edi
  movl $(text_end - text), %ecx
  rep movsb
2:
  incq 0x8000
  movq 0x8010, %rbx
  movq %rbx, 0x8018
  jmp 2b

text:
  .ascii "vmsift-marker:tiny:64-bit;"
text_end:
.balign 8
gdt:
  .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00af9b000000ffff
gdt_register:
  .word 31
  .long ROM + gdt - _start

.org 0xfff0
.code16
  jmp _start
.org 0x10000

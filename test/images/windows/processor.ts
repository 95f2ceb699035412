/** The processor's control region, the page that starts further processors, and the page shared with user code. */
import type { Builder } from './builder.js'
import type { KernelImage } from './kernel-image.js'

export interface ProcessorOptions {
  readonly kpcr: bigint
  readonly currentThread: bigint
  readonly version: { readonly major: number; readonly minor: number }
  readonly systemTime: bigint
}

/** Writes KPCR and KPRCB; registers of this processor. */
export function writeProcessor(
  builder: Builder,
  image: KernelImage,
  options: ProcessorOptions,
): Record<string, bigint> {
  const { facts, kernel, pointerBytes, tables } = builder
  const wide = pointerBytes === 8
  const { kpcr } = options
  const prcb = builder.at(kpcr, wide ? '_KPCR.Prcb' : '_KPCR.PrcbData')
  kernel.map(kpcr, facts.size('_KPCR'))
  const idt = kpcr + BigInt(Math.ceil(facts.size('_KPCR') / 4096) * 4096)
  kernel.map(idt, 4096)
  builder.put(kpcr, wide ? '_KPCR.Self' : '_KPCR.SelfPcr', kpcr)
  builder.put(kpcr, wide ? '_KPCR.CurrentPrcb' : '_KPCR.Prcb', prcb)
  builder.put(kpcr, wide ? '_KPCR.IdtBase' : '_KPCR.IDT', idt)
  builder.put(kpcr, '_KPCR.KdVersionBlock', image.symbols.get('KdVersionBlock') as bigint)
  builder.put(kpcr, '_KPCR.MajorVersion', 1, 2)
  builder.put(kpcr, '_KPCR.MinorVersion', 1, 2)
  builder.put(prcb, '_KPRCB.MinorVersion', 1, 2)
  builder.put(prcb, '_KPRCB.MajorVersion', 1, 2)
  builder.put(prcb, '_KPRCB.CurrentThread', options.currentThread)
  builder.put(prcb, '_KPRCB.IdleThread', options.currentThread)
  const cr0 = 0x8005_0031n
  const cr4 = builder.paging === 'ia32' ? 0x6d9n & ~0x20n : 0x6f8n
  const registers = `_KPRCB.ProcessorState.SpecialRegisters`
  builder.put(prcb, `${registers}.Cr0`, cr0)
  builder.put(prcb, `${registers}.Cr3`, tables.root)
  builder.put(prcb, `${registers}.Cr4`, cr4)
  const lstar = wide ? (image.symbols.get('KiSystemCall64') ?? image.base + 0x2000n) : 0n
  if (wide) builder.put(prcb, `${registers}.MsrLStar`, lstar)
  writeIdt(builder, idt, image.base + 0x3000n)
  kernel.pointer(image.symbols.get('KiProcessorBlock') as bigint, prcb)
  writeShared(builder, options)
  return wide
    ? {
        cr0,
        cr3: BigInt(tables.root),
        cr4,
        idt_base: idt,
        gs_base: kpcr,
        lstar,
        rip: image.base + 0x4000n,
        efer: 0xd01n,
      }
    : { cr0, cr3: BigInt(tables.root), cr4, idt_base: idt, fs_base: kpcr, eip: image.base + 0x4000n }
}

/** Gates of interrupts, all into the kernel's image (Intel SDM vol. 3A 6.11, 6.14.1). */
function writeIdt({ kernel, pointerBytes }: Builder, idt: bigint, handlers: bigint): void {
  const table = Buffer.alloc(4096)
  for (let vector = 0; vector < 256; vector++) {
    const handler = handlers + BigInt(vector * 0x40)
    const at = vector * (pointerBytes === 8 ? 16 : 8)
    table.writeUInt16LE(Number(handler & 0xffffn), at)
    table.writeUInt16LE(pointerBytes === 8 ? 0x10 : 8, at + 2)
    table.writeUInt16LE(0x8e00, at + 4)
    table.writeUInt16LE(Number((handler >> 16n) & 0xffffn), at + 6)
    if (pointerBytes === 8) table.writeUInt32LE(Number(handler >> 32n), at + 8)
  }
  kernel.write(idt, table)
}

/** KUSER_SHARED_DATA (ntddk.h): the kernel's view of it. */
function writeShared(builder: Builder, { version, systemTime }: ProcessorOptions): void {
  const { kernel, pointerBytes, build } = builder
  const at = pointerBytes === 8 ? 0xffff_f780_0000_0000n : 0xffdf_0000n
  kernel.map(at, 4096)
  const page = Buffer.alloc(4096)
  const time = (offset: number, value: bigint): void => {
    page.writeUInt32LE(Number(value & 0xffff_ffffn), offset)
    page.writeInt32LE(Number(value >> 32n), offset + 4)
    page.writeInt32LE(Number(value >> 32n), offset + 8)
  }
  time(0x8, 0x1_2345_6789n)
  time(0x14, systemTime)
  page.write('C:\\Windows\0', 0x30, 'utf16le')
  if (version.major >= 10) page.writeUInt32LE(build, 0x260)
  page.writeUInt32LE(1, 0x264)
  page.writeUInt8(1, 0x268)
  page.writeUInt32LE(version.major, 0x26c)
  page.writeUInt32LE(version.minor, 0x270)
  kernel.write(at, page)
}

/** PROCESSOR_START_BLOCK of 64-bit kernels, below 1 MiB (shape as MemProcFS and memflow tell it). */
export function writeLowStub({ memory, tables }: Builder, entry: bigint, gpa = 0x13000): void {
  const page = memory.page(gpa)
  // jmp over the flag and what follows
  page.set([0xe9, 0x4d, 0x06, 0x00, 0x01, 0x00, 0x00, 0x00])
  page.writeBigUInt64LE(entry, 0x70)
  page.writeBigUInt64LE(BigInt(tables.root), 0xa0)
}

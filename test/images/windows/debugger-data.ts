/**
 * The debugger's data block (KDDEBUGGER_DATA64, wdbgexts.h; offsets checked against the block of a real 19041), also encoded as kernels
 * since Windows 8 keep it, and DBGKD_GET_VERSION64, which KPCR.KdVersionBlock points to.
 */
import type { Builder } from './builder.js'
import type { KernelImage } from './kernel-image.js'

const BLOCK_BYTES: readonly (readonly [build: number, bytes: number])[] = [
  [22000, 0x388],
  [10240, 0x380],
  [9200, 0x360],
  [7600, 0x340],
  [0, 0x290],
]

export interface DebuggerDataOptions {
  readonly encoded: boolean
  readonly majorVersion: number
}

/** Writes both blocks; the second one's address is where KPCR.KdVersionBlock leads. */
export function writeDebuggerData(builder: Builder, image: KernelImage, options: DebuggerDataOptions): void {
  const { facts, kernel, pointerBytes, build } = builder
  const symbol = (name: string): bigint => image.symbols.get(name) ?? 0n
  const at = symbol('KdDebuggerDataBlock')
  const [, bytes] = BLOCK_BYTES.find(([first]) => build >= first) as readonly [number, number]
  const block = Buffer.alloc(bytes)
  const quad = (offset: number, value: bigint): void => void block.writeBigUInt64LE(value, offset)
  const list = symbol('KdVersionBlock') + 0x28n
  if (pointerBytes === 8) {
    quad(0, list)
    quad(8, list)
  } else {
    block.writeUInt32LE(Number(list), 0)
    block.writeUInt32LE(Number(list), 4)
  }
  block.write('KDBG', 0x10, 'latin1')
  block.writeUInt32LE(bytes, 0x14)
  quad(0x18, image.base)
  for (const [offset, name] of [
    [0x48, 'PsLoadedModuleList'],
    [0x50, 'PsActiveProcessHead'],
    [0x58, 'PspCidTable'],
    [0xc0, 'MmPfnDatabase'],
    [0x208, 'NtBuildLab'],
    [0x218, 'KiProcessorBlock'],
  ] as const)
    quad(offset, symbol(name))
  if (bytes >= 0x340) {
    const half = (offset: number, value: number): void => void block.writeUInt16LE(value, offset)
    half(0x29a, facts.offset('_ETHREAD.Tcb.Teb'))
    half(0x2a0, facts.offset('_ETHREAD.Tcb.ApcState.Process'))
    half(0x2a8, facts.size('_EPROCESS'))
    half(0x2aa, facts.offset('_EPROCESS.Peb'))
    half(0x2ac, facts.offset('_EPROCESS.InheritedFromUniqueProcessId'))
    half(0x2ae, facts.offset('_EPROCESS.Pcb.DirectoryTableBase'))
    half(0x2b0, facts.size('_KPRCB'))
    half(0x2b4, facts.offset('_KPRCB.CurrentThread'))
    half(0x2c0, facts.size('_ETHREAD'))
  }
  if (options.encoded) encode(builder, image, block)
  kernel.write(at, block)
  writeVersion(builder, image, options.majorVersion)
}

/** The inverse of what the debugger does to read it: each quad word by two random numbers and an address. */
function encode({ kernel }: Builder, { symbols }: KernelImage, block: Buffer): void {
  const never = 0x6c1d_0f33_a5b7_9e2bn
  const always = 0x9a02_77d1_4c3f_e815n
  const mark = symbols.get('KdpDataBlockEncoded') as bigint
  kernel.integer(symbols.get('KiWaitNever') as bigint, never, 8)
  kernel.integer(symbols.get('KiWaitAlways') as bigint, always, 8)
  kernel.integer(mark, 1, 1)
  const rotate = BigInt(Number(never & 0xffn) % 64)
  for (let at = 0; at < block.length; at += 8) {
    const swapped = Buffer.alloc(8)
    swapped.writeBigUInt64BE(block.readBigUInt64LE(at) ^ always)
    const value = swapped.readBigUInt64LE() ^ mark
    const right = ((value >> rotate) | (value << (64n - rotate))) & 0xffff_ffff_ffff_ffffn
    block.writeBigUInt64LE(right ^ never, at)
  }
}

function writeVersion(builder: Builder, image: KernelImage, major: number): void {
  const block = Buffer.alloc(0x28)
  block.writeUInt16LE(0xf00 + major, 0)
  block.writeUInt16LE(builder.build, 2)
  block.writeUInt8(6, 4)
  block.writeUInt16LE(builder.pointerBytes === 8 ? 7 : 3, 6)
  block.writeUInt16LE(builder.pointerBytes === 8 ? 0x8664 : 0x14c, 8)
  block.writeBigUInt64LE(image.base, 0x10)
  block.writeBigUInt64LE(image.symbols.get('PsLoadedModuleList') ?? 0n, 0x18)
  const list = (image.symbols.get('KdVersionBlock') as bigint) + 0x28n
  block.writeBigUInt64LE(list, 0x20)
  const { kernel, pointerBytes } = builder
  kernel.write(image.symbols.get('KdVersionBlock') as bigint, block)
  const data = image.symbols.get('KdDebuggerDataBlock') as bigint
  // the head of the list in which the data block is the only one
  kernel.pointer(list, data)
  kernel.pointer(list + BigInt(pointerBytes), data)
}

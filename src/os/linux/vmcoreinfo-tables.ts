/**
 * What VMCOREINFO says, as symbols and types: kernels that keep no names of data (no CONFIG_KALLSYMS_ALL) or no BTF still write down
 * where their log is and how it lies (kernel/vmcore_info.c, log_buf_vmcoreinfo_setup of kernel/printk/printk.c).
 */
import type { Member, SymbolTable, TypeTable } from '../../symbols/contract.js'
import type { VmcoreInfo } from '../../symbols/vmcoreinfo.js'
import type { LinuxKernel } from './kernel.js'

/** The kernel with what VMCOREINFO adds; what its own tables know goes first. */
export function withVmcoreinfo(kernel: LinuxKernel, info: VmcoreInfo): LinuxKernel {
  const pointerBytes = kernel.memory.pointerBytes
  return {
    ...kernel,
    symbols: vmcoreinfoSymbols(kernel.symbols, info),
    types: vmcoreinfoTypes(kernel.types, info, pointerBytes),
  }
}

/** A symbol table that asks VMCOREINFO for names that `base` lacks. Listings and `nearest` are the base's own. */
export function vmcoreinfoSymbols(base: SymbolTable, info: VmcoreInfo): SymbolTable {
  return {
    source: base.source,
    get size() {
      return base.size
    },
    addressOf: name => base.addressOf(name) ?? info.symbol(name),
    all: name => base.all(name),
    nearest: address => base.nearest(address),
    entries: () => base.entries(),
  }
}

/** A type table that asks VMCOREINFO for structures that `base` lacks. */
export function vmcoreinfoTypes(base: TypeTable, info: VmcoreInfo, pointerBytes: 4 | 8): TypeTable {
  return {
    source: base.source,
    sizeOf: type => base.sizeOf(type) ?? info.size(type),
    member: (type, path) => base.member(type, path) ?? logMember(info, pointerBytes, type, path),
    enumerator: name => base.enumerator(name),
    members: type => base.members(type),
  }
}

/** Members of the log's structures: VMCOREINFO gives offsets, these are their widths (`word` is as wide as a pointer). */
const WIDTHS: ReadonlyMap<string, number | 'word'> = new Map<string, number | 'word'>([
  ['prb_desc_ring.count_bits', 4],
  ['prb_desc_ring.descs', 'word'],
  ['prb_desc_ring.infos', 'word'],
  ['prb_desc_ring.head_id', 'word'],
  ['prb_desc_ring.tail_id', 'word'],
  ['prb_data_ring.size_bits', 4],
  ['prb_data_ring.data', 'word'],
  ['prb_desc.state_var', 'word'],
  ['prb_data_blk_lpos.begin', 'word'],
  ['prb_data_blk_lpos.next', 'word'],
  ['printk_info.seq', 8],
  ['printk_info.ts_nsec', 8],
  ['printk_info.text_len', 2],
  ['printk_info.caller_id', 4],
  ['printk_log.ts_nsec', 8],
  ['printk_log.len', 2],
  ['printk_log.text_len', 2],
  ['printk_log.dict_len', 2],
])

/** Types of members that are structures themselves. */
const NESTED: ReadonlyMap<string, string> = new Map([
  ['printk_ringbuffer.desc_ring', 'prb_desc_ring'],
  ['printk_ringbuffer.text_data_ring', 'prb_data_ring'],
  ['prb_desc.text_blk_lpos', 'prb_data_blk_lpos'],
  ['printk_info.dev_info', 'dev_printk_info'],
])

/** Lengths of text members. */
const TEXTS: ReadonlyMap<string, string> = new Map([
  ['dev_printk_info.subsystem', 'printk_info_subsystem'],
  ['dev_printk_info.device', 'printk_info_device'],
])

function logMember(info: VmcoreInfo, pointerBytes: 4 | 8, type: string, path: string): Member | undefined {
  const dot = path.indexOf('.')
  if (dot >= 0) {
    const inner = NESTED.get(`${type}.${path.slice(0, dot)}`)
    const outer = info.offset(`${type}.${path.slice(0, dot)}`)
    const member = inner === undefined ? undefined : logMember(info, pointerBytes, inner, path.slice(dot + 1))
    return member === undefined || outer === undefined
      ? undefined
      : { ...member, offset: outer + member.offset }
  }
  const offset = info.offset(`${type}.${path}`)
  if (offset === undefined) return unnamedMember(info, type, path)
  const width = WIDTHS.get(`${type}.${path}`) ?? info.length(TEXTS.get(`${type}.${path}`) ?? '')
  if (width === undefined) return undefined
  return { offset, bytes: width === 'word' ? pointerBytes : width }
}

/** Facility, flags and level are not told; they are all that fits between the text's length and the caller. */
function unnamedMember(info: VmcoreInfo, type: string, path: string): Member | undefined {
  const before = info.offset(`${type}.${type === 'printk_log' ? 'dict_len' : 'text_len'}`)
  const after = type === 'printk_log' ? info.size(type) : info.offset(`${type}.caller_id`)
  if ((type !== 'printk_info' && type !== 'printk_log') || before === undefined || after !== before + 4)
    return undefined
  if (path === 'facility') return { offset: before + 2, bytes: 1 }
  if (path === 'flags') return { offset: before + 3, bytes: 1, bits: { first: 0, count: 5 } }
  return path === 'level' ? { offset: before + 3, bytes: 1, bits: { first: 5, count: 3 } } : undefined
}

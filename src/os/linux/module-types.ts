/**
 * Types of a module: its BTF continues the kernel's own (numbers of types and offsets of strings go on where the kernel's end), so
 * both are put together and read as one. Kernels keep them with CONFIG_DEBUG_INFO_BTF_MODULES, 5.11 and later.
 */
import { btfSections } from '../../symbols/btf-blob.js'
import { parseBtf } from '../../symbols/btf-types.js'
import type { TypeTable } from '../../symbols/contract.js'
import { Problems } from '../problem.js'
import { structSpec } from '../struct/layout.js'
import { StructReader } from '../struct/reader.js'
import { walkList } from '../walk/list.js'
import type { LinuxKernel } from './kernel.js'
import { walkXarray } from './walk/xarray.js'

const BTF_MODULE = structSpec('btf_module', { list: 'list', btf: 'btf' })
const BTF = structSpec('btf', { data: 'data', bytes: 'data_size', base: 'base_btf', name: 'name' })

const HEADER_BYTES = 24
const MAGIC = 0xeb9f
/** The kernel's own types take 4 to 8 MB. */
const MAX_BLOB_BYTES = 32 << 20
const MAX_MODULES = 2 ** 14

/** The types that the module `name` uses, the kernel's among them. Undefined where the kernel keeps none of it. */
export function moduleTypes(
  kernel: LinuxKernel,
  name: string,
  reader = new StructReader(kernel),
): TypeTable | undefined {
  for (const address of moduleBtfs(kernel, reader)) {
    const btf = reader.record(BTF, address)
    const baseAddress = btf?.link('base')
    if (btf?.text('name') !== name || baseAddress === undefined) continue
    const own = blobOf(reader, address)
    const base = blobOf(reader, baseAddress)
    const joined = own === undefined || base === undefined ? undefined : joinBlobs(base, own)
    if (joined !== undefined) return parseBtf(joined, `btf of ${name}`)
  }
  return undefined
}

/** Addresses of the `struct btf`s of modules: from the list of them, or from the table of all. */
function moduleBtfs(kernel: LinuxKernel, reader: StructReader): bigint[] {
  const head = kernel.symbols.addressOf('btf_modules')
  const problems = new Problems()
  if (head !== undefined && reader.layout(BTF_MODULE).has('list')) {
    const options = { what: 'types of modules', max: MAX_MODULES }
    return walkList(reader, head, problems, options).flatMap(node => {
      const module = reader.container(BTF_MODULE, 'list', node)
      return (module === undefined ? undefined : reader.record(BTF_MODULE, module)?.link('btf')) ?? []
    })
  }
  const all = kernel.symbols.addressOf('btf_idr')
  if (all === undefined) return []
  const entries = walkXarray(reader, all, problems, { what: 'types of modules', max: MAX_MODULES })
  return entries.map(({ entry }) => entry)
}

function blobOf(reader: StructReader, address: bigint): Uint8Array | undefined {
  const btf = reader.record(BTF, address)
  const data = btf?.link('data')
  const bytes = btf?.number('bytes') ?? 0
  if (data === undefined || bytes < HEADER_BYTES || bytes > MAX_BLOB_BYTES || !reader.isKernelAddress(data))
    return undefined
  return reader.bytes(data, bytes)
}

/** One blob of two: a header, the types of both, the strings of both. Undefined when one is no BTF. */
export function joinBlobs(base: Uint8Array, own: Uint8Array): Uint8Array | undefined {
  const first = btfSections(base)
  const second = btfSections(own)
  if (first === undefined || second === undefined) return undefined
  if (first.length > base.length || second.length > own.length) return undefined
  const typeBytes = first.typeBytes + second.typeBytes
  const stringBytes = first.stringBytes + second.stringBytes
  const joined = new Uint8Array(HEADER_BYTES + typeBytes + stringBytes)
  const view = new DataView(joined.buffer)
  view.setUint16(0, MAGIC, true)
  view.setUint8(2, 1)
  const fields = [HEADER_BYTES, 0, typeBytes, typeBytes, stringBytes]
  for (const [i, value] of fields.entries()) view.setUint32(4 + i * 4, value, true)
  let at = HEADER_BYTES
  for (const part of [
    base.subarray(first.types, first.types + first.typeBytes),
    own.subarray(second.types, second.types + second.typeBytes),
    base.subarray(first.strings, first.strings + first.stringBytes),
    own.subarray(second.strings, second.strings + second.stringBytes),
  ]) {
    joined.set(part, at)
    at += part.length
  }
  return joined
}

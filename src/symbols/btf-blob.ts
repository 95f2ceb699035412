/**
 * The frame of a BTF blob (Documentation/bpf/btf.rst, include/uapi/linux/btf.h): header, types, strings, and since 7.x the sizes of each
 * kind of type, so that kinds unknown here can be passed over.
 */
import { viewOf } from './byte-reader.js'

/** Kinds of types that are looked into; all others are only passed over. */
export const BTF_KIND = {
  int: 1,
  pointer: 2,
  array: 3,
  struct: 4,
  union: 5,
  enum: 6,
  forward: 7,
  typedef: 8,
  volatile: 9,
  const: 10,
  restrict: 11,
  float: 16,
  typeTag: 18,
  enum64: 19,
} as const

/** A blob whose header is sound and whose types were counted. Type 0 is void. */
export interface BtfBlob {
  readonly view: DataView
  /** Where each type's record starts in the blob, by type id. */
  readonly offsets: Uint32Array
  /** Types with id 0. */
  readonly count: number
  /** The string section. */
  readonly strings: Buffer
  /** Bytes of a kernel pointer, as the type `long unsigned int` tells. */
  readonly pointerBytes: 4 | 8
}

/** Where the sections lie; offsets are from the blob's start. */
export interface BtfSections {
  readonly types: number
  readonly typeBytes: number
  readonly strings: number
  readonly stringBytes: number
  readonly layout: number
  readonly layoutBytes: number
  /** Bytes of the whole blob. */
  readonly length: number
}

/** BTF_MAX_TYPE. */
const MAX_TYPES = 0x100000
/** BTF_MAX_NAME_OFFSET and room for as much again; no kernel's blob has 8 MiB. */
const MAX_SECTION_BYTES = 64 << 20
const HEADER_BYTES = 24
const MAX_HEADER_BYTES = 256
const TYPE_BYTES = 12

/** Bytes behind a type's record, and for each of its `vlen` elements, by kind. */
const EXTRA: readonly (readonly [own: number, element: number] | undefined)[] = [
  undefined, // unknown
  [4, 0], // int
  [0, 0], // pointer
  [12, 0], // array
  [0, 12], // struct
  [0, 12], // union
  [0, 8], // enum
  [0, 0], // forward
  [0, 0], // typedef
  [0, 0], // volatile
  [0, 0], // const
  [0, 0], // restrict
  [0, 0], // func
  [0, 8], // func_proto
  [4, 0], // var
  [0, 12], // datasec
  [0, 0], // float
  [4, 0], // decl_tag
  [0, 0], // type_tag
  [0, 12], // enum64
]

/** The header's sections; undefined when it is no BTF header. `bytes` need not hold more than the header. */
export function btfSections(bytes: Uint8Array, at = 0): BtfSections | undefined {
  if (at + HEADER_BYTES > bytes.length) return undefined
  const view = viewOf(bytes.subarray(at))
  if (view.getUint16(0, true) !== 0xeb9f || view.getUint8(2) !== 1) return undefined
  const header = view.getUint32(4, true)
  if (header < HEADER_BYTES || header > MAX_HEADER_BYTES) return undefined
  const [types, typeBytes, strings, stringBytes] = [8, 12, 16, 20].map(o => view.getUint32(o, true)) as [
    number,
    number,
    number,
    number,
  ]
  const extended = header >= HEADER_BYTES + 8 && view.byteLength >= HEADER_BYTES + 8
  const layout = extended ? view.getUint32(24, true) : 0
  const layoutBytes = extended ? view.getUint32(28, true) : 0
  const most = Math.max(types, typeBytes, strings, stringBytes, layout, layoutBytes)
  if (most > MAX_SECTION_BYTES || typeBytes < TYPE_BYTES || stringBytes < 2 || types % 4 !== 0)
    return undefined
  // The kernel insists on sections that don't overlap.
  if (types < strings + stringBytes && strings < types + typeBytes) return undefined
  const end = Math.max(types + typeBytes, strings + stringBytes, layout + layoutBytes)
  return {
    types: header + types,
    typeBytes,
    strings: header + strings,
    stringBytes,
    layout: header + layout,
    layoutBytes,
    length: header + end,
  }
}

/**
 * Opens a whole blob (`bytes` may be longer). Undefined when it is none: a section is cut short, a type's record passes the end, or the
 * strings don't start and end with NUL, as those of modules don't: their strings continue the kernel's.
 */
export function openBtf(bytes: Uint8Array): BtfBlob | undefined {
  const sections = btfSections(bytes)
  if (sections === undefined || sections.length > bytes.length) return undefined
  const strings = Buffer.from(bytes.buffer, bytes.byteOffset + sections.strings, sections.stringBytes)
  if (strings[0] !== 0 || strings.at(-1) !== 0) return undefined
  const view = viewOf(bytes)
  const most = Math.min(MAX_TYPES, Math.floor(sections.typeBytes / TYPE_BYTES) + 1)
  const offsets = new Uint32Array(most)
  const end = sections.types + sections.typeBytes
  let count = 1
  for (let at = sections.types; at < end; ) {
    if (at + TYPE_BYTES > end || count >= most) return undefined
    const info = view.getUint32(at + 4, true)
    const extra = EXTRA[kindOf(info)] ?? extraOf(view, sections, kindOf(info))
    if (extra === undefined) return undefined
    offsets[count++] = at
    at += TYPE_BYTES + extra[0] + extra[1] * lengthOf(info)
    if (at > end) return undefined
  }
  return {
    view,
    offsets: offsets.slice(0, count),
    count,
    strings,
    pointerBytes: pointerBytes(view, offsets, count, strings),
  }
}

/** Kind of a type, from its info word. Five bits up to 7.0, seven since; the others were zero. */
export function kindOf(info: number): number {
  return (info >>> 24) & 0x7f
}

/** Elements of a type, from its info word. 16 bits up to 7.0, 24 since; the others were zero. */
export function lengthOf(info: number): number {
  return info & 0xffffff
}

/** Sizes of a kind from the layout section: own bytes, bytes of an element, flags. */
function extraOf(view: DataView, sections: BtfSections, kind: number): readonly [number, number] | undefined {
  const at = sections.layout + kind * 4
  if (kind === 0 || kind * 4 + 4 > sections.layoutBytes) return undefined
  return [view.getUint8(at), view.getUint8(at + 1)]
}

function pointerBytes(view: DataView, offsets: Uint32Array, count: number, strings: Buffer): 4 | 8 {
  const name = strings.indexOf('\0long unsigned int\0', 0, 'latin1') + 1
  for (let id = 1; name > 0 && id < count; id++) {
    const at = offsets[id] as number
    if (view.getUint32(at, true) !== name || kindOf(view.getUint32(at + 4, true)) !== BTF_KIND.int) continue
    return view.getUint32(at + 8, true) === 4 ? 4 : 8
  }
  return 8
}

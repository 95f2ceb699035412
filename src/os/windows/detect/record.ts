/** What was found out about a Windows kernel, as plain data: enough to open it again without a search. */
import * as v from 'valibot'
import { MAX_PHYSICAL_BYTES } from '../../../core/address.js'
import type { PagingMode } from '../../../paging/mode.js'
import type { FoundBy, KernelPlaces } from '../kernel.js'
import { windowsModeNamed } from './candidate.js'

/** Grows with every change that makes older records wrong. */
const RECORD_VERSION = 2

/** A kernel that was found. */
export interface WindowsRecord {
  readonly mode: PagingMode
  /** gpa of the top table of System. */
  readonly dtb: number
  readonly kernelBase: bigint
  /** What the image must look like to be the same. */
  readonly timestamp: number
  readonly sizeBytes: number
  readonly foundBy: readonly FoundBy[]
  readonly places: KernelPlaces
}

const address = v.pipe(
  v.string(),
  v.regex(/^0x[0-9a-f]{1,16}$/),
  v.transform(text => BigInt(text)),
)
const text = v.pipe(v.string(), v.maxLength(256))
const word = v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(0xffff_ffff))
const place = v.strictObject({ address, from: text })

const record = v.strictObject({
  version: v.literal(RECORD_VERSION),
  family: v.literal('windows'),
  mode: v.pipe(
    v.string(),
    v.rawTransform(({ dataset, addIssue, NEVER }) => {
      const mode = windowsModeNamed(dataset.value)
      if (mode !== undefined) return mode
      addIssue({ message: 'no such paging mode' })
      return NEVER
    }),
  ),
  dtb: v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(MAX_PHYSICAL_BYTES)),
  kernelBase: address,
  timestamp: word,
  sizeBytes: word,
  foundBy: v.pipe(
    v.array(
      v.strictObject({
        way: v.picklist(['dump', 'registers', 'low-stub', 'self-map', 'kpcr', 'kdbg', 'process', 'image']),
        agrees: v.boolean(),
        detail: text,
      }),
    ),
    v.maxLength(64),
  ),
  places: v.strictObject({
    currentProcess: v.exactOptional(place),
    systemProcess: v.exactOptional(place),
    processHead: v.exactOptional(place),
    moduleHead: v.exactOptional(place),
    cidTable: v.exactOptional(place),
    kdbg: v.exactOptional(place),
    typeTable: v.exactOptional(place),
    pagingFiles: v.exactOptional(place),
  }),
})

/** The record as text. */
export function encodeWindowsRecord(found: WindowsRecord): string {
  const plain = { ...found, version: RECORD_VERSION, family: 'windows', mode: found.mode.name }
  return JSON.stringify(plain, (_, value) => (typeof value === 'bigint' ? `0x${value.toString(16)}` : value))
}

/** The record out of a text; undefined when it is not one of this version. */
export function decodeWindowsRecord(json: string): WindowsRecord | undefined {
  let plain: unknown
  try {
    plain = JSON.parse(json)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
  const parsed = v.safeParse(record, plain)
  if (!parsed.success) return undefined
  const { version: _, family: __, ...found } = parsed.output
  return found
}

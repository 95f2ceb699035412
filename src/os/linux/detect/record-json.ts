/** A record as JSON and back. What is read back was on a disk: nothing of it is believed before it was checked. */
import * as v from 'valibot'
import { MAX_PHYSICAL_BYTES } from '../../../core/address.js'
import { pagingModeNamed } from '../../../paging/modes.js'
import type { LinuxRecord } from './record.js'

/** Grows with every change that makes older records wrong. */
export const RECORD_VERSION = 1

const MAX_COUNT = 2_000_000
const MAX_TEXT = 4096

const address = v.pipe(
  v.string(),
  v.regex(/^0x[0-9a-f]{1,16}$/),
  v.transform(text => BigInt(text)),
)
const signed = v.pipe(
  v.string(),
  v.regex(/^-?0x[0-9a-f]{1,16}$/),
  v.transform(text => (text.startsWith('-') ? -BigInt(text.slice(1)) : BigInt(text))),
)
const gpa = v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(MAX_PHYSICAL_BYTES))
const text = v.pipe(v.string(), v.maxLength(MAX_TEXT))
const key = v.pipe(v.string(), v.maxLength(512))
const small = v.pipe(v.number(), v.safeInteger())
const count = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(MAX_COUNT))
const bytes = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(64 << 20))

const member = v.strictObject({
  offset: small,
  bytes: small,
  bits: v.exactOptional(v.strictObject({ first: small, count: small })),
  typeName: v.exactOptional(text),
  pointer: v.exactOptional(v.literal(true)),
  signed: v.exactOptional(v.literal(true)),
  count: v.exactOptional(small),
})

const record = v.strictObject({
  version: v.literal(RECORD_VERSION),
  mode: v.pipe(
    v.string(),
    v.rawTransform(({ dataset, addIssue, NEVER }) => {
      const mode = pagingModeNamed(dataset.value)
      if (mode !== undefined) return mode
      addIssue({ message: 'no such paging mode' })
      return NEVER
    }),
  ),
  dtb: gpa,
  shift: signed,
  base: gpa,
  banner: text,
  release: text,
  bannerAddress: address,
  kernelBase: address,
  baseName: v.picklist(['_text', '_stext']),
  kaslrOffset: signed,
  kallsyms: v.exactOptional(
    v.strictObject({
      count,
      tables: v.strictObject({
        numSyms: address,
        names: address,
        tokenTable: address,
        tokenIndex: address,
        offsets: v.exactOptional(address),
        addresses: v.exactOptional(address),
        relativeBase: v.exactOptional(address),
      }),
    }),
  ),
  btf: v.exactOptional(v.strictObject({ va: address, length: bytes })),
  derived: v.exactOptional(v.pipe(v.array(text), v.maxLength(4096))),
  symbolAnswers: v.exactOptional(
    v.record(key, v.nullable(v.pipe(v.string(), v.regex(/^0x[0-9a-f]{1,16}$/)))),
  ),
  typeAnswers: v.exactOptional(
    v.strictObject({
      sizes: v.record(key, v.nullable(small)),
      members: v.record(key, v.nullable(member)),
      enumerators: v.record(key, v.nullable(v.number())),
      lists: v.record(key, v.nullable(v.array(text))),
    }),
  ),
})

/** The record as text. */
export function encodeRecord(found: LinuxRecord): string {
  const plain = { ...found, version: RECORD_VERSION, mode: found.mode.name }
  return JSON.stringify(plain, (_, value) => (typeof value === 'bigint' ? hexOf(value) : value))
}

/** The record out of a text; undefined when it is not one of this version. */
export function decodeRecord(json: string): LinuxRecord | undefined {
  let plain: unknown
  try {
    plain = JSON.parse(json)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
  const parsed = v.safeParse(record, plain)
  if (!parsed.success) return undefined
  const { version: _, ...found } = parsed.output
  return found
}

function hexOf(value: bigint): string {
  return value < 0n ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`
}

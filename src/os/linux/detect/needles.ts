/** What the one pass over memory looks for: VMCOREINFO texts and kallsyms' tokens. */
import { alignUp } from '../../../core/address.js'
import { kallsymsHits } from '../../../symbols/kallsyms-search.js'

const PAGE_BYTES = 4096
/** `OSRELEAS` as two little-endian words. */
const START_LOW = 0x4552_534f
const START_HIGH = 0x5341_454c
/** Behind the note's header, where the kernel keeps the text as a note (`VMCOREINFO` as its name). */
const NOTE_TEXT_AT = 24
const MAX_TEXTS = 64
/** False hits are common: `abc...` in wide characters is the same bytes. */
const MAX_TOKENS = 64

/** Offsets in a window. */
export interface NeedleHits {
  /** Where a VMCOREINFO text may start. */
  readonly vmcoreinfo: readonly number[]
  /** Where the tokens `a` to `z` of kallsyms may stand. */
  readonly kallsyms: readonly number[]
}

/** Bytes that windows should share, so that none of it is lost at a joint. */
export const NEEDLE_OVERLAP = 128

/**
 * Looks through a window that starts at `gpa`. VMCOREINFO's two copies each start a page of their own, so one look at each page's
 * start is enough (kernel/vmcore_info.c, get_zeroed_page and alloc_pages_exact).
 */
export function findNeedles(bytes: Buffer, gpa: number): NeedleHits {
  const texts: number[] = []
  for (let page = alignUp(gpa, PAGE_BYTES) - gpa; page + PAGE_BYTES <= bytes.length; page += PAGE_BYTES)
    for (const at of [page, page + NOTE_TEXT_AT])
      if (
        bytes.readUInt32LE(at) === START_LOW &&
        bytes.readUInt32LE(at + 4) === START_HIGH &&
        texts.length < MAX_TEXTS
      )
        texts.push(at)
  return { vmcoreinfo: texts, kallsyms: kallsymsHits(bytes, MAX_TOKENS) }
}

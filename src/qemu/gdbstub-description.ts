/**
 * Which registers a stub has, their numbers and widths: `target.xml` and the files it includes (GDB manual, "Target Description
 * Format"). Only what those files need is read: `architecture`, `xi:include`, `reg`.
 */
import { VmsiftError } from '../core/errors.js'

export interface StubRegister {
  /** As the stub writes it. */
  readonly name: string
  readonly number: number
  readonly bits: number
}

export interface StubDescription {
  /** GDB's name of the machine: `i386:x86-64`, `i386`, `aarch64`. */
  readonly architecture: string | undefined
  /** Sorted by number. */
  readonly registers: readonly StubRegister[]
}

/** Bounds for a stub that may be hostile. QEMU's largest, aarch64's, has 5 files and 400 registers. */
const MAX_FILES = 64
const MAX_FILE_BYTES = 1 << 20
const MAX_REGISTERS = 8192
const MAX_TAG_CHARACTERS = 1024
/** Widest vector registers there are: 2048 bits of SVE. */
const MAX_BITS = 2048

/**
 * Reads the description. `ask` sends a packet and returns its answer.
 * @throws VmsiftError `not-supported` when the stub has none, `monitor-failed` when it is beyond all bounds.
 */
export async function readDescription(ask: (packet: string) => Promise<string>): Promise<StubDescription> {
  const registers = new Map<string, StubRegister>()
  let architecture: string | undefined
  let files = 0
  let next = 0
  const visit = async (name: string): Promise<void> => {
    if (++files > MAX_FILES) throw broken(`more than ${MAX_FILES} files`)
    for (const { tag, text } of tagsOf(await readFile(ask, name))) {
      if (tag === '<architecture>') architecture ??= text.trim()
      const kind = /^<(xi:include|reg)\s/.exec(tag)?.[1]
      if (kind === undefined) continue
      const at = attributes(tag)
      if (kind === 'xi:include') {
        const href = at.get('href')
        if (href !== undefined) await visit(href)
        continue
      }
      const number = Number(at.get('regnum') ?? next)
      const bits = Number(at.get('bitsize'))
      if (!Number.isInteger(number) || number < 0 || !Number.isInteger(bits) || bits < 1 || bits > MAX_BITS)
        throw broken(`a register that makes no sense: ${tag.slice(0, 80)}`)
      next = number + 1
      const register = at.get('name') ?? ''
      if (registers.size === MAX_REGISTERS) throw broken(`more than ${MAX_REGISTERS} registers`)
      if (register !== '' && !registers.has(register))
        registers.set(register, { name: register, number, bits })
    }
  }
  await visit('target.xml')
  return { architecture, registers: [...registers.values()].sort((a, b) => a.number - b.number) }
}

/** A file of the stub's, piece by piece: `m` goes on, `l` is the last. */
async function readFile(ask: (packet: string) => Promise<string>, name: string): Promise<string> {
  let text = ''
  for (;;) {
    const piece = await ask(`qXfer:features:read:${name}:${text.length.toString(16)},ffb`)
    if (piece === '')
      throw new VmsiftError('not-supported', 'this gdbstub describes no registers (no qXfer:features:read)')
    if (piece[0] !== 'm' && piece[0] !== 'l') throw broken(`no file ${name}: it said '${piece.slice(0, 16)}'`)
    text += piece.slice(1)
    if (piece[0] === 'l') return text
    if (piece.length === 1 || text.length > MAX_FILE_BYTES) throw broken(`${name} has no end`)
  }
}

/** Tags that are no comments, each with the text behind it; in one pass, whatever the stub sends. */
function* tagsOf(text: string): Generator<{ readonly tag: string; readonly text: string }> {
  for (let at = text.indexOf('<'); at >= 0; ) {
    const close = text.startsWith('<!--', at) ? '-->' : '>'
    const end = text.indexOf(close, at + 1)
    if (end < 0) return
    const next = text.indexOf('<', end)
    const tag = text.slice(at, end + close.length)
    if (tag.length <= MAX_TAG_CHARACTERS)
      yield { tag, text: text.slice(end + close.length, next < 0 ? undefined : next) }
    at = next
  }
}

function attributes(tag: string): Map<string, string> {
  const found = new Map<string, string>()
  for (const [, name = '', double, single] of tag.matchAll(
    /(?<![\w:])([\w:]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g,
  ))
    found.set(name, double ?? single ?? '')
  return found
}

function broken(why: string): VmsiftError {
  return new VmsiftError('monitor-failed', `the gdbstub's description of the processor is broken: ${why}`)
}

/** Types as bpftool reads them out of a BTF blob, compared with ours. */
import { execFileSync } from 'node:child_process'
import type { TypeTable } from '../../src/symbols/contract.js'

export interface TypeComparison {
  readonly structures: number
  readonly members: number
  /** What differs, at most a few, in words. */
  readonly different: readonly string[]
}

/** Compares size and members of every named structure and union: place, and width of bit fields. */
export function compareWithBpftool(bpftool: string, path: string, types: TypeTable): TypeComparison {
  const text = execFileSync(bpftool, ['btf', 'dump', 'file', path, 'format', 'raw'], {
    maxBuffer: 1 << 30,
  }).toString()
  const seen = new Set<string>()
  const different: string[] = []
  let current: string | undefined
  let members = 0
  const note = (what: string): void => {
    if (different.length < 10) different.push(what)
  }
  for (const line of text.split('\n')) {
    const head = /^\[\d+\] (\w+) '([^']*)'(?: size=(\d+))?/.exec(line)
    if (head !== null) {
      const [, kind, name = '', size] = head
      current = undefined
      if ((kind !== 'STRUCT' && kind !== 'UNION') || name === '(anon)' || seen.has(name)) continue
      current = name
      seen.add(name)
      if (types.sizeOf(name) !== Number(size)) note(`${name}: ${types.sizeOf(name)} bytes, bpftool ${size}`)
      continue
    }
    const member = /^\t'([^']*)' type_id=\d+ bits_offset=(\d+)(?: bitfield_size=(\d+))?/.exec(line)
    if (member === null || current === undefined || member[1] === '(anon)') continue
    members++
    const ours = types.member(current, member[1] ?? '')
    const place = ours === undefined ? undefined : ours.offset * 8 + (ours.bits?.first ?? 0)
    if (place !== Number(member[2]) || (ours?.bits?.count ?? 0) !== Number(member[3] ?? 0))
      note(`${current}.${member[1]}: ${JSON.stringify(ours)}, bpftool ${line.trim()}`)
  }
  return { structures: seen.size, members, different }
}

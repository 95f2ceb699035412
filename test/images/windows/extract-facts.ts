/**
 * Writes facts.json: where members of Windows' structures lie, for the guests that the generator builds. Run by hand, where the tables
 * are at hand:
 *
 *     node --import tsx test/images/windows/extract-facts.ts DATA VTYPES
 *
 * DATA holds `isf/` (Volatility 3 symbol tables made from Microsoft's PDBs) and `rekall/` (Rekall profiles, likewise); VTYPES the
 * `volatility/plugins/overlays/windows` folder of Volatility 2, whose tables were made from PDBs by other code. Where two sources have a
 * member they must agree; members that only one has are listed as such. Numbers are facts: nothing else of the sources is kept.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { WANTED, WANTED_SYMBOLS } from './wanted.js'

interface Field {
  readonly offset: number
  /** The structure it is, in place. */
  readonly structure?: string
  readonly bits?: readonly [first: number, count: number]
}
interface Structure {
  readonly size: number
  readonly fields: ReadonlyMap<string, Field>
}
interface Source {
  readonly name: string
  readonly types: ReadonlyMap<string, Structure>
  readonly symbols?: ReadonlyMap<string, number>
}
type Json = Record<string, unknown>

const [data = '', vtypes = ''] = process.argv.slice(2)

function isf(guid: string): Source {
  const packed = join(data, `isf/ntkrnlmp.pdb/${guid}-1.json.xz`)
  const text = execFileSync('xz', ['-dc', packed], { maxBuffer: 1 << 30 })
  const root = JSON.parse(text.toString()) as {
    user_types: Record<string, { size: number; fields: Record<string, { offset: number; type: Json }> }>
    symbols: Record<string, { address: number }>
  }
  const types = new Map<string, Structure>()
  for (const [name, { size, fields }] of Object.entries(root.user_types)) {
    const all = new Map<string, Field>()
    for (const [field, { offset, type }] of Object.entries(fields)) {
      const kind = type['kind']
      if (kind === 'bitfield')
        all.set(field, { offset, bits: [type['bit_position'] as number, type['bit_length'] as number] })
      else if (kind === 'struct' || kind === 'union')
        all.set(field, { offset, structure: type['name'] as string })
      else all.set(field, { offset })
    }
    types.set(name, { size, fields: all })
  }
  const symbols = new Map(Object.entries(root.symbols).map(([name, { address }]) => [name, address]))
  return { name: `Volatility 3 ISF ${guid}-1`, types, symbols }
}

function rekall(file: string): Source {
  const root = JSON.parse(readFileSync(join(data, 'rekall', file), 'utf8')) as {
    $STRUCTS: Record<string, [number, Record<string, [number, [string, Json]]>]>
    $CONSTANTS: Record<string, number>
    $FUNCTIONS: Record<string, number>
  }
  const types = new Map<string, Structure>()
  for (const [name, [size, fields]] of Object.entries(root.$STRUCTS)) {
    const all = new Map<string, Field>()
    for (const [field, [offset, [type, options]]] of Object.entries(fields)) {
      const { start_bit: first = 0, end_bit: end = 0 } = (options ?? {}) as {
        start_bit?: number
        end_bit?: number
      }
      if (type === 'BitField') all.set(field, { offset, bits: [first, end - first] })
      else all.set(field, type in root.$STRUCTS ? { offset, structure: type } : { offset })
    }
    types.set(name, { size, fields: all })
  }
  const symbols = new Map(Object.entries({ ...root.$FUNCTIONS, ...root.$CONSTANTS }))
  return { name: `Rekall profile ${file.replace(/\.rekall\.json$/, '')}`, types, symbols }
}

/** Python dictionaries of one form: a line a structure, a line a field. */
function volatility2(file: string): Source {
  const types = new Map<string, Structure>()
  let fields = new Map<string, Field>()
  for (const line of readFileSync(join(vtypes, `${file}_vtypes.py`), 'utf8').split('\n')) {
    const [, name, size] = /^ {2}'(\w+)' : \[ (0x[0-9a-f]+), \{/.exec(line) ?? []
    if (name !== undefined) {
      fields = new Map()
      types.set(name, { size: Number(size), fields })
      continue
    }
    const [, field, at, type = ''] = /^ {4}'(\w+)' : \[ (0x[0-9a-f]+), \[(.*)\]\],$/.exec(line) ?? []
    if (field === undefined) continue
    const offset = Number(at)
    const [, first, end] = /^'BitField', dict\(start_bit = (\d+), end_bit = (\d+)/.exec(type) ?? []
    if (first !== undefined) fields.set(field, { offset, bits: [Number(first), Number(end) - Number(first)] })
    else {
      const [, structure] = /^'([_A-Z]\w+)'$/.exec(type) ?? []
      fields.set(field, structure === undefined ? { offset } : { offset, structure })
    }
  }
  return { name: `Volatility 2 ${file}`, types }
}

/** A fact: the offset, and for a bit field its first bit and how many. */
type Fact = readonly [offset: number] | readonly [offset: number, first: number, count: number]

function find({ types }: Source, path: string): Fact | undefined {
  const [type = '', ...names] = path.split('.')
  let structure: string | undefined = type
  let offset = 0
  let field: Field | undefined
  for (const name of names) {
    field = structure === undefined ? undefined : types.get(structure)?.fields.get(name)
    if (field === undefined) return undefined
    offset += field.offset
    structure = field.structure
  }
  if (field === undefined) return undefined
  return field.bits === undefined ? [offset] : [offset, ...field.bits]
}

const GUESTS: Readonly<Record<string, () => readonly Source[]>> = {
  'xp-sp2-x86-pae': () => [
    rekall('ntkrnlpa.pdb.bd8f451f3e754ed8a34b50560ceb08e31.rekall.json'),
    volatility2('xp_sp2_x86'),
  ],
  'xp-sp2-x86': () => [
    rekall('ntoskrnl.pdb.32962337f0f646388b39535cd8dd70e82.rekall.json'),
    volatility2('xp_sp2_x86'),
  ],
  '2003-sp1-x86': () => [volatility2('win2003_sp1_x86'), volatility2('win2003_sp2_x86')],
  '2003-sp0-x86': () => [volatility2('win2003_sp0_x86')],
  '2003-sp2-x64': () => [volatility2('win2003_sp2_x64')],
  'vista-sp0-x64': () => [volatility2('vista_sp0_x64')],
  'vista-sp2-x86': () => [volatility2('vista_sp1_x86'), volatility2('vista_sp2_x86')],
  'vista-sp2-x64': () => [volatility2('vista_sp2_x64'), volatility2('vista_sp1_x64')],
  '7-sp1-x86': () => [volatility2('win7_sp1_x86')],
  '7-sp1-x64': () => [isf('339E74133576439CBCDF7E0229DA3773'), volatility2('win7_sp1_x64_24000')],
  '8-x86': () => [volatility2('win8_sp0_x86')],
  '8-x64': () => [volatility2('win8_sp0_x64')],
  '8.1-x64': () => [isf('06A508F37B81478E855A3542E272C084'), volatility2('win8_sp1_x64')],
  '10-17763-x64': () => [volatility2('win10_x64_17763')],
  '10-19041-x86': () => [volatility2('win10_x86_19041')],
  '10-19041-x64': () => [isf('5278AFF86C341677D7D7835C85B7B844'), volatility2('win10_x64_19041')],
  '11-22000-x64': () => [isf('0B0A89438BE7729EB33FD00A7D6FA816')],
}

const facts: Record<string, unknown> = {}
for (const [guest, load] of Object.entries(GUESTS)) {
  const sources = load()
  const members: Record<string, Fact> = {}
  const sizes: Record<string, number> = {}
  const single: string[] = []
  for (const path of WANTED) {
    const found = sources.map(source => find(source, path)).filter(fact => fact !== undefined)
    const [first] = found
    if (first === undefined) continue
    for (const other of found)
      if (JSON.stringify(other) !== JSON.stringify(first))
        console.warn(`${guest}: ${path} is ${JSON.stringify(first)}, and ${JSON.stringify(other)}`)
    members[path] = first
    if (found.length === 1 && sources.length > 1) single.push(path)
  }
  for (const type of new Set(WANTED.map(path => path.split('.')[0] as string))) {
    const found = sources.map(({ types }) => types.get(type)?.size).filter(size => size !== undefined)
    if (found.some(size => size !== found[0])) console.warn(`${guest}: ${type} has ${found.join(', ')} bytes`)
    if (found[0] !== undefined) sizes[type] = found[0]
  }
  const symbols: Record<string, number> = {}
  for (const name of WANTED_SYMBOLS) {
    const rva = sources[0]?.symbols?.get(name)
    if (rva !== undefined) symbols[name] = rva
  }
  facts[guest] = { sources: sources.map(({ name }) => name), single, sizes, members, symbols }
}
writeFileSync(join(import.meta.dirname, 'facts.json'), `${JSON.stringify(facts)}\n`)

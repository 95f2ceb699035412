/** YARA rules in every process of a real guest, against the `yara` program on the bytes of each process. */
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { findSpaces } from '../../../src/coordinator/guest-spaces.js'
import { openTarget } from '../../../src/coordinator/target.js'
import { rebased } from '../../../src/os/search/physical.js'
import { SpaceEnumerator } from '../../../src/space/enumerate.js'
import { LinearMemory, layOut } from '../../../src/space/linear-space.js'
import { virtualAddress } from '../../../src/space/placement.js'
import { scanFile } from '../../helpers/scan-events.js'
import { YaraProgram, yaraVersionHere } from '../../helpers/yara-program.js'

const IMAGE = fileURLToPath(new URL('../../../examples/guest.kdump', import.meta.url))
/** What the program prints of a length. */
const KEPT = 512
/** Zeros between stretches: more than any of the strings reaches over. */
const APART = 1 << 14

/** Every string is told. None looks at the data's edges, nor matches zeros: the program is given all stretches in one file. */
const STRINGS = [
  '"GLIBC_2.2.5"',
  '"malloc" fullword',
  '"error" nocase',
  '"vmsift" ascii wide',
  '"Usage" xor(1-255)',
  '"vmsift" base64 base64wide',
  '{ 7F 45 4C 46 ?2 01 01 }',
  '{ 48 8B ( 05 | 0D | 15 ) ?? ?? ?? 00 [0-16] C3 }',
  '{ 55 48 89 E5 [4-90] C9 C3 }',
  '{ 55 48 89 E5 [201-2000] C9 C3 }',
  '/https?:\\/\\/[a-z0-9.]{3,40}\\/[^ \\x00]+/',
  '/[a-z]{3,12}_[a-z]+_r\\x00/',
  '/libc[^\\x00]*so/',
  '/err[a-z]+?:/ nocase',
  '/_[A-Za-z_]{9,}/',
  '/\\/[a-z.-]{2,200}\\/[a-z0-9.-]+/',
  '{ E8 ?? ?? 00 00 [0-190] 48 89 }',
]
const RULES = STRINGS.map((value, at) => `rule r${at} { strings: $a = ${value} condition: $a or true }`).join(
  '\n',
)

/** The bytes of a process, stretch behind stretch, and where each one is mapped. */
interface Dumped {
  readonly pid: number
  readonly bytes: Buffer
  readonly stretches: readonly { readonly at: number; readonly va: bigint }[]
}

async function dumpProcesses(): Promise<Dumped[]> {
  using target = await openTarget(IMAGE)
  const { spaces, base } = await findSpaces(target, 'processes')
  const memory = rebased(target.memory, base)
  const rules = { mode: spaces.mode, ...(spaces.absent && { absent: spaces.absent }) }
  const enumerator = new SpaceEnumerator(memory, rules)
  return spaces.processes.map(({ pid, dtb }) => {
    const { table } = layOut([[0, enumerator.enumerate({ dtb, half: 'user' }).extents]])
    const laidOut = new LinearMemory(table, memory)
    const pieces: Uint8Array[] = []
    const stretches: { at: number; va: bigint }[] = []
    let at = 0
    for (const { gpa, length } of laidOut.runs) {
      const extent = table.address.indexOf(gpa)
      stretches.push({ at, va: virtualAddress(table.vpn[extent]!, 0) })
      pieces.push(laidOut.window(gpa, length).bytes.slice(), new Uint8Array(APART))
      at += length + APART
    }
    return { pid, bytes: Buffer.concat(pieces), stretches }
  })
}

describe.skipIf(yaraVersionHere() === undefined)('YARA rules in the processes of a guest', () => {
  it('tell what yara tells of their bytes', async () => {
    const [{ matches, events, summary }, dumps] = await Promise.all([
      scanFile(IMAGE, { patterns: [{ kind: 'yara', source: RULES }], space: 'processes' }),
      dumpProcesses(),
    ])
    expect(summary.limitedStrings).toBeUndefined()
    using yara = new YaraProgram()
    expect(dumps.length).toBeGreaterThan(1)
    for (const { pid, bytes, stretches } of dumps) {
      const answer = yara.scan(RULES, bytes)
      expect(answer.error).toBeUndefined()
      const expected = answer.matches.map(match => {
        const [rule, , offset, length] = match.split(' ')
        const stretch = stretches.findLast(({ at }) => at <= Number(offset))!
        return `${rule} 0x${(stretch.va + BigInt(Number(offset) - stretch.at)).toString(16)} ${length}`
      })
      const told = matches
        .filter(match => match.pid === pid)
        .map(({ rule, va, length }) => `${rule} 0x${va!.toString(16)} ${Math.min(length, KEPT)}`)
      expect(told.sort(), `process ${pid}`).toEqual(expected.sort())
      const held = events.filter(event => event.type === 'rule').filter(event => event.pid === pid)
      expect(held.map(({ rule }) => rule)).toEqual(answer.rules)
    }
    expect(matches.length).toBeGreaterThan(1000)
  }, 120_000)
})

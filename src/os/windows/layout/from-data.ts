/**
 * Members of the process structure that neither code nor the table tells, out of the data itself: what a member points to must hold
 * together with the process it belongs to, in several processes at one and the same offset.
 */

import type { VirtualMemory } from '../../../core/virtual-memory.js'
import type { TypeTable } from '../../../symbols/contract.js'
import { Problems } from '../../problem.js'
import { StructReader } from '../../struct/reader.js'
import { presentBytes } from '../pe/image.js'
import { pagesOf, VAD, walkVads } from '../vads.js'
import type { FactTypes } from './facts.js'
import { member } from './structure.js'

const PROCESS = '_EPROCESS'
/** Processes that are looked at, and bytes of each. */
const MAX_SAMPLES = 24
const SPAN_BYTES = { 4: 0x4c0, 8: 0xa40 } as const
/** So many have to agree. */
const ENOUGH = 2
const MAX_THREADS = 4096
/** From a thread's process id to its entry in the process's list. */
const MAX_DISTANCE = 0xa0
/** How far the count of threads may stand behind their list. */
const COUNT_REACH = 0x30

/** A process with the bytes of its structure. */
interface Sample {
  readonly address: bigint
  readonly pid: bigint
  readonly bytes: Buffer
}

/** Adds what is missing in `facts` and can be told; `system` is the first process. */
export function addFromData(facts: FactTypes, memory: VirtualMemory, system: bigint): void {
  const missing = ['ObjectTable', 'ThreadListHead', 'ActiveThreads', 'VadRoot'].filter(
    name => facts.member(PROCESS, name) === undefined,
  )
  if (missing.length === 0) return
  const finder = new Finder(facts, memory, system)
  if (missing.includes('ObjectTable')) finder.objectTable()
  if (missing.includes('ThreadListHead')) finder.threadList()
  if (missing.includes('ActiveThreads')) finder.threadCount()
  if (missing.includes('VadRoot')) finder.vadRoot()
}

class Finder {
  readonly #facts: FactTypes
  readonly #reader: StructReader
  readonly #wide: boolean
  readonly #samples: readonly Sample[]

  constructor(facts: FactTypes, memory: VirtualMemory, system: bigint) {
    this.#facts = facts
    // a table of its own: layouts that are resolved here must not be kept for what is found
    const types: TypeTable = {
      source: facts.source,
      sizeOf: type => facts.sizeOf(type),
      member: (type, path) => facts.member(type, path),
      members: type => facts.members(type),
      enumerator: () => undefined,
    }
    this.#reader = new StructReader({ memory, types })
    this.#wide = memory.pointerBytes === 8
    this.#samples = this.#take(system)
  }

  /** Processes in the order of the kernel's list. */
  #take(system: bigint): Sample[] {
    const { memory, pointerBytes } = this.#reader
    const id = this.#facts.member(PROCESS, 'UniqueProcessId')?.offset
    if (id === undefined) return []
    const links = BigInt(id + pointerBytes)
    const samples: Sample[] = []
    const seen = new Set<bigint>()
    let node: bigint | undefined = system + links
    while (
      node !== undefined &&
      !seen.has(node) &&
      seen.size < MAX_SAMPLES * 2 &&
      samples.length < MAX_SAMPLES
    ) {
      seen.add(node)
      const address: bigint = node - links
      const bytes = presentBytes(memory, address, SPAN_BYTES[pointerBytes])
      const pid = bytes === undefined ? 0n : this.#word(bytes, id)
      if (bytes !== undefined && pid > 0n && pid % 4n === 0n && pid < 1n << 26n)
        samples.push({ address, pid, bytes })
      node = this.#reader.pointer(node)
      if (node !== undefined && !this.#reader.isKernelAddress(node)) node = undefined
    }
    return samples
  }

  #word(bytes: Buffer, at: number): bigint {
    return this.#wide ? bytes.readBigUInt64LE(at) : BigInt(bytes.readUInt32LE(at))
  }

  /** The offset at which most samples pass, at least two, and none of the others has as many. */
  #agreed(passes: (sample: Sample, value: bigint, offset: number) => boolean): number | undefined {
    const { pointerBytes } = this.#reader
    let best: number | undefined
    let most = ENOUGH - 1
    let tie = false
    for (let offset = 0; offset + pointerBytes * 2 <= SPAN_BYTES[pointerBytes]; offset += pointerBytes) {
      let count = 0
      for (const sample of this.#samples) {
        const value = this.#word(sample.bytes, offset)
        if (
          this.#reader.isKernelAddress(value) &&
          value % BigInt(pointerBytes) === 0n &&
          passes(sample, value, offset)
        )
          count++
      }
      if (count > most) {
        best = offset
        most = count
        tie = false
      } else if (count === most && best !== undefined) tie = true
    }
    return tie ? undefined : best
  }

  /** A table of handles names the process that it belongs to. */
  objectTable(): void {
    const code = this.#facts.member('_HANDLE_TABLE', 'TableCode')?.offset
    const owner = this.#facts.member('_HANDLE_TABLE', 'UniqueProcessId')?.offset
    if (code === undefined || owner === undefined) return
    const offset = this.#agreed(({ pid }, value) => {
      if (this.#reader.pointer(value + BigInt(owner)) !== pid) return false
      const table = this.#reader.pointer(value + BigInt(code))
      return table !== undefined && this.#reader.isKernelAddress(table) && (table & 7n) <= 2n
    })
    if (offset !== undefined) this.#add('ObjectTable', member(offset, 'pointer', this.#wide))
  }

  /** The first thread in the list leads back to the head, and in front of its entry stands the process's id. */
  threadList(): void {
    const { pointerBytes } = this.#reader
    const offset = this.#agreed(({ address, pid }, first, at) => {
      if (this.#reader.pointer(first + BigInt(pointerBytes)) !== address + BigInt(at)) return false
      for (let distance = 2 * pointerBytes; distance <= MAX_DISTANCE; distance += pointerBytes) {
        const [process, thread] = this.#reader.pointers(first - BigInt(distance), 2)
        if (
          process === pid &&
          thread !== undefined &&
          thread > 0n &&
          thread % 4n === 0n &&
          thread < 1n << 26n
        )
          return true
      }
      return false
    })
    if (offset !== undefined) this.#add('ThreadListHead', member(offset, 'list', this.#wide))
  }

  /** A word behind the list that is as large as the list is long. */
  threadCount(): void {
    const head = this.#facts.member(PROCESS, 'ThreadListHead')?.offset
    if (head === undefined) return
    const counts = this.#samples.map(({ address }) => this.#lengthOf(address + BigInt(head)))
    // with one count only, any constant would do
    if (new Set(counts.filter(count => count !== undefined && count > 0)).size < ENOUGH) return
    const first = head + 2 * this.#reader.pointerBytes
    for (let offset = first; offset <= first + COUNT_REACH; offset += 4) {
      const fits = this.#samples.every(
        (sample, i) => counts[i] === undefined || sample.bytes.readUInt32LE(offset) === counts[i],
      )
      if (!fits) continue
      this.#add('ActiveThreads', { offset, bytes: 4 })
      return
    }
  }

  #lengthOf(head: bigint): number | undefined {
    let node = this.#reader.pointer(head)
    for (let count = 0; count <= MAX_THREADS; count++) {
      if (node === head) return count
      if (node === undefined || !this.#reader.isKernelAddress(node)) return undefined
      node = this.#reader.pointer(node)
    }
    return undefined
  }

  /** The tree has a node for the process's environment block. */
  vadRoot(): void {
    const peb = this.#facts.member(PROCESS, 'Peb')?.offset
    if (peb === undefined || !this.#reader.layout(VAD).has('start')) return
    const offset = this.#agreed(({ bytes }, value) => {
      const page = Number(this.#word(bytes, peb) >> 12n)
      if (page === 0) return false
      return walkVads(this.#reader, value, new Problems()).some(record => {
        const pages = pagesOf(record)
        return pages !== undefined && page >= pages.first && page <= pages.last
      })
    })
    if (offset !== undefined) this.#add('VadRoot', member(offset, 'pointer', this.#wide))
  }

  #add(name: string, found: ReturnType<typeof member>): void {
    this.#facts.add(PROCESS, name, found, `data of ${this.#samples.length} processes`)
  }
}

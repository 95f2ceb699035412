/** A backtracking matcher of YARA's regular expressions and hex strings: slow, short, and written from YARA's documentation and source. */
import { isWord, setHas } from '../../../src/patterns/byte-set.js'
import type { HexNode, RegexNode } from '../../../src/rules/ast.js'

/** Bytes that YARA looks at from where it found something. */
export const SCAN_LIMIT = 4096

export type Program = readonly Instruction[]

type Instruction =
  | { readonly kind: 'byte'; readonly accepts: (byte: number) => boolean }
  | { readonly kind: 'assert'; readonly assertion: 'start' | 'end' | 'word-boundary' | 'not-word-boundary' }
  /** Tries `first`, then `second`. */
  | { readonly kind: 'split'; first: number; second: number }
  | { readonly kind: 'jump'; to: number }
  | { readonly kind: 'match' }

/** A program of a regular expression. */
export function regexProgram(node: RegexNode): Program {
  const program: Instruction[] = []
  emitRegex(node, program)
  program.push({ kind: 'match' })
  return program
}

/** A program of a hex string. */
export function hexProgram(node: HexNode): Program {
  const program: Instruction[] = []
  emitHex(node, program)
  program.push({ kind: 'match' })
  return program
}

function emitRegex(node: RegexNode, program: Instruction[]): void {
  switch (node.kind) {
    case 'empty':
      return
    case 'set':
      program.push({ kind: 'byte', accepts: byte => setHas(node.set, byte) })
      return
    case 'assert':
      program.push({ kind: 'assert', assertion: node.assertion })
      return
    case 'concat':
      for (const item of node.items) emitRegex(item, program)
      return
    case 'alternatives':
      emitAlternatives(
        node.items.map(item => () => emitRegex(item, program)),
        program,
      )
      return
    case 'repeat':
      emitRepeat(() => emitRegex(node.item, program), node.min, node.max, node.greedy, program)
  }
}

function emitHex(node: HexNode, program: Instruction[]): void {
  switch (node.kind) {
    case 'byte': {
      const { value, mask, negated } = node
      program.push({ kind: 'byte', accepts: byte => ((byte & mask) === value) !== negated })
      return
    }
    case 'jump':
      emitRepeat(
        () => program.push({ kind: 'byte', accepts: () => true }),
        node.min,
        node.max,
        false,
        program,
      )
      return
    case 'concat':
      for (const item of node.items) emitHex(item, program)
      return
    case 'alternatives':
      emitAlternatives(
        node.items.map(item => () => emitHex(item, program)),
        program,
      )
  }
}

function emitAlternatives(emits: readonly (() => void)[], program: Instruction[]): void {
  const ends: { kind: 'jump'; to: number }[] = []
  emits.forEach((emit, index) => {
    if (index === emits.length - 1) {
      emit()
      return
    }
    const split = { kind: 'split' as const, first: program.length + 1, second: 0 }
    program.push(split)
    emit()
    const end = { kind: 'jump' as const, to: 0 }
    program.push(end)
    ends.push(end)
    split.second = program.length
  })
  for (const end of ends) end.to = program.length
}

function emitRepeat(
  emit: () => void,
  min: number,
  max: number | undefined,
  greedy: boolean,
  program: Instruction[],
): void {
  const split = () => {
    const made = { kind: 'split' as const, first: 0, second: 0 }
    program.push(made)
    return (inside: number, behind: number) => {
      made.first = greedy ? inside : behind
      made.second = greedy ? behind : inside
    }
  }
  for (let i = 0; i < min; i++) emit()
  if (max === undefined) {
    const start = program.length
    const set = split()
    emit()
    program.push({ kind: 'jump', to: start })
    set(start + 1, program.length)
    return
  }
  const sets: [number, (inside: number, behind: number) => void][] = []
  for (let i = min; i < max; i++) {
    sets.push([program.length + 1, split()])
    emit()
  }
  for (const [inside, set] of sets) set(inside, program.length)
}

/**
 * Length of the match that starts at `start`: the one that comes first when alternatives and counts are tried in their order;
 * undefined when there is none. With `wide` each byte is followed by a zero.
 */
export function matchAt(
  program: Program,
  data: Uint8Array,
  start: number,
  wide: boolean,
): number | undefined {
  const width = wide ? 2 : 1
  const limit = Math.min(data.length, start + SCAN_LIMIT)
  const failed = new Set<number>()
  const stack: [number, number][] = [[0, start]]
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    const [index, at] = top
    const key = index * (data.length + 3) + at
    if (failed.has(key)) continue
    failed.add(key)
    const instruction = program[index]
    switch (instruction?.kind) {
      case 'match':
        return at - start
      case 'jump':
        stack.push([instruction.to, at])
        break
      case 'split':
        stack.push([instruction.second, at], [instruction.first, at])
        break
      case 'assert':
        if (holds(instruction.assertion, data, at, width)) stack.push([index + 1, at])
        break
      case 'byte':
        if (at + width <= limit && (!wide || data[at + 1] === 0) && instruction.accepts(data[at] ?? 0))
          stack.push([index + 1, at + width])
    }
  }
  return undefined
}

function holds(assertion: string, data: Uint8Array, at: number, width: number): boolean {
  if (assertion === 'start') return at === 0
  if (assertion === 'end') return at === data.length
  const word = (place: number) => isWord(data[place] ?? 0) && (width === 1 || data[place + 1] === 0)
  // YARA takes both edges for boundaries.
  const boundary = at < width || at + width > data.length || word(at) !== word(at - width)
  return boundary === (assertion === 'word-boundary')
}

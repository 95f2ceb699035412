/** Whose code an address is: the kernel's own text, a module's, or nobody's. */
import type { BpfCode } from './bpf-programs.js'
import type { LinuxKernel } from './kernel.js'
import type { LinuxModule } from './modules.js'

/** Who owns an address. */
export type CodeOwner =
  | { readonly kind: 'kernel-text'; readonly symbol: string; readonly offset: number }
  /** In the kernel's image, but not in its text. */
  | { readonly kind: 'kernel-data' }
  | { readonly kind: 'module'; readonly name: string }
  /** Compiled BPF, by the name that kallsyms gives it. */
  | { readonly kind: 'bpf'; readonly name: string }
  | { readonly kind: 'nobody' }

/** Code that lies outside the kernel's image. */
export interface LoadedCode {
  readonly modules: readonly LinuxModule[]
  readonly bpf: readonly BpfCode[]
}

/** Tells owners. */
export class CodeOwners {
  readonly #kernel: LinuxKernel
  readonly #text: readonly (readonly [bigint, bigint])[]
  readonly #image: readonly [bigint, bigint] | undefined
  /** Ranges of loaded code, by ascending start. */
  readonly #loaded: readonly LoadedRange[]

  constructor(kernel: LinuxKernel, loaded: LoadedCode) {
    this.#kernel = kernel
    this.#loaded = loadedRanges(loaded)
    const pairs = [
      rangeOf(kernel, '_stext', '_etext'),
      rangeOf(kernel, '__entry_text_start', '__entry_text_end'),
      rangeOf(kernel, '_sinittext', '_einittext'),
    ]
    this.#text = pairs.filter(pair => pair !== undefined)
    this.#image = rangeOf(kernel, '_text', '_end') ?? rangeOf(kernel, '_stext', '_end')
  }

  /** Whether the kernel's text is known: without it nothing can be judged. */
  get known(): boolean {
    return this.#text.length > 0
  }

  ownerOf(address: bigint): CodeOwner {
    if (this.#text.some(range => isIn(range, address))) {
      const near = this.#kernel.symbols.nearest(address)
      return { kind: 'kernel-text', symbol: near?.symbol.name ?? '', offset: near?.offset ?? 0 }
    }
    if (this.#image !== undefined && isIn(this.#image, address)) return { kind: 'kernel-data' }
    const range = this.#rangeBelow(address)
    return range !== undefined && address < range.end ? range.owner : { kind: 'nobody' }
  }

  /** The last range that starts at or below the address. */
  #rangeBelow(address: bigint): LoadedRange | undefined {
    let low = 0
    let high = this.#loaded.length
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      if ((this.#loaded[middle]?.start ?? 0n) <= address) low = middle + 1
      else high = middle
    }
    return this.#loaded[low - 1]
  }
}

interface LoadedRange {
  readonly start: bigint
  readonly end: bigint
  readonly owner: CodeOwner
}

function loadedRanges({ modules, bpf }: LoadedCode): LoadedRange[] {
  const ranges: LoadedRange[] = []
  for (const { name, ranges: own } of modules)
    for (const { start, bytes } of own)
      ranges.push({ start, end: start + BigInt(bytes), owner: { kind: 'module', name } })
  for (const { name, start, end } of bpf) ranges.push({ start, end, owner: { kind: 'bpf', name } })
  return ranges.sort((one, other) => (one.start < other.start ? -1 : one.start > other.start ? 1 : 0))
}

function rangeOf(kernel: LinuxKernel, from: string, to: string): readonly [bigint, bigint] | undefined {
  const start = kernel.symbols.addressOf(from)
  const end = kernel.symbols.addressOf(to)
  return start === undefined || end === undefined || end <= start ? undefined : [start, end]
}

function isIn([start, end]: readonly [bigint, bigint], address: bigint): boolean {
  return address >= start && address < end
}

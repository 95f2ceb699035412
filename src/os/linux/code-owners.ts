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
  readonly #loaded: LoadedCode

  constructor(kernel: LinuxKernel, loaded: LoadedCode) {
    this.#kernel = kernel
    this.#loaded = loaded
    // aarch64 has functions before `_stext` (entry code), 32-bit x86 has its entry text behind `_stext` too
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
    const owner = this.#loaded.modules.find(({ ranges }) =>
      ranges.some(({ start, bytes }) => address >= start && address < start + BigInt(bytes)),
    )
    if (owner !== undefined) return { kind: 'module', name: owner.name }
    const program = this.#loaded.bpf.find(({ start, end }) => address >= start && address < end)
    return program === undefined ? { kind: 'nobody' } : { kind: 'bpf', name: program.name }
  }
}

function rangeOf(kernel: LinuxKernel, from: string, to: string): readonly [bigint, bigint] | undefined {
  const start = kernel.symbols.addressOf(from)
  const end = kernel.symbols.addressOf(to)
  return start === undefined || end === undefined || end <= start ? undefined : [start, end]
}

function isIn([start, end]: readonly [bigint, bigint], address: bigint): boolean {
  return address >= start && address < end
}

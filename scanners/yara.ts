/**
 * YARA rules through YARA-X, the whole language: one evaluation per window, offsets and `filesize` are the window's.
 * The bytes are copied into the WebAssembly memory.
 */
import { VmsiftError } from '../src/core/errors.js'
import { buildRules } from '../src/patterns/compile-yara.js'
import type { YaraEngine, YaraRules } from '../src/patterns/yara-runtime.js'
import type { CompiledYara } from '../src/scan/compiled-scan.js'
import type { MatchSink, RuleHit, Scanner, ScanWindow } from '../src/scan/scanner.js'

/** Longest evaluation of one window; YARA-X looks at the clock while it searches, not within a condition. */
const TIMEOUT_MS = 120_000
/** Matches of one string that are kept in a window. */
const MAX_MATCHES_PER_PATTERN = 1 << 20

/** What a scan returns. The package types it `any`; this is what its README documents. */
interface YaraResult {
  readonly valid: boolean
  readonly errors?: readonly string[]
  readonly matches: readonly {
    readonly identifier: string
    readonly namespace: string
    readonly isPrivate: boolean
    readonly tags: readonly string[]
    readonly metadata: readonly { readonly identifier: string; readonly value: unknown }[]
    readonly patterns: readonly {
      readonly identifier: string
      readonly isPrivate: boolean
      readonly matches: readonly { readonly offset: number; readonly length: number }[]
    }[]
  }[]
}

export class YaraScanner implements Scanner {
  readonly #rules: YaraRules
  readonly #engine: YaraEngine
  #disposed = false

  constructor(compiled: CompiledYara) {
    this.#rules = buildRules(compiled.sources)
    this.#engine = this.#rules.scanner()
    this.#engine.setTimeoutMs(TIMEOUT_MS)
    this.#engine.setMaxMatchesPerPattern(MAX_MATCHES_PER_PATTERN)
  }

  scan(window: ScanWindow, sink: MatchSink): void {
    for (const rule of this.#evaluate(window.bytes).matches) {
      if (rule.isPrivate) continue
      sink.rule(toHit(rule))
      for (const { identifier, isPrivate, matches } of rule.patterns) {
        if (isPrivate) continue
        const label = { namespace: rule.namespace, rule: rule.identifier, pattern: identifier }
        for (const { offset, length } of matches)
          if (offset >= window.ownedStart && offset < window.ownedEnd) sink.yaraMatch(label, offset, length)
      }
    }
  }

  #evaluate(bytes: Uint8Array): YaraResult {
    // YARA's console module writes with console.log; stdout is for results.
    const { log } = console
    console.log = console.error
    try {
      const result = this.#engine.scan(bytes) as YaraResult
      if (result.valid) return result
      throw new Error(result.errors?.join('; ') || 'no reason given')
    } catch (error) {
      throw new VmsiftError('worker-failed', `yara: ${(error as Error).message ?? error}`, { cause: error })
    } finally {
      console.log = log
    }
  }

  [Symbol.dispose](): void {
    if (this.#disposed) return
    this.#disposed = true
    this.#engine.free()
    this.#rules.free()
  }
}

function toHit(rule: YaraResult['matches'][number]): RuleHit {
  const meta: Record<string, string | number | boolean> = {}
  for (const { identifier, value } of rule.metadata) meta[identifier] = plain(value)
  return { namespace: rule.namespace, rule: rule.identifier, tags: rule.tags, meta }
}

function plain(value: unknown): string | number | boolean {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value
  if (value instanceof Uint8Array || Array.isArray(value)) return Buffer.from(value).toString('latin1')
  return typeof value === 'bigint' ? Number(value) : String(value)
}

/** Pattern specifications to what the workers need: everything is checked here, before a scan starts. */
import { VmsiftError } from '../core/errors.js'
import { compileExpressions, vectorscanVersion } from '../ffi/vectorscan.js'
import type { CompiledMatcher, CompiledPattern, CompiledScan, CompileOptions } from '../scan/compiled-scan.js'
import type { MatcherChoice, PatternSpec } from '../scan/pattern-spec.js'
import { divide } from './expressions.js'
import { hasAssertions, lengthsOf } from './measure.js'
import { parseHex } from './parse-hex.js'
import { parseRegex } from './parse-regex.js'
import { parseText } from './parse-text.js'
import { printExpression } from './print.js'
import { quoted } from './regex-cursor.js'

/** Longest match of an unbounded regular expression, unless another bound is asked for. */
export const DEFAULT_MAX_MATCH_BYTES = 4096
/** Version of the embedded matcher: changes when it does. */
const EMBEDDED_VERSION = '1'
const EMBEDDED_HINT =
  'matching with the embedded matcher; for up to 30 times the speed: apt install libvectorscan5 (or set VMSIFT_LIBHS)'
const HIGHEST_MAX_MATCH_BYTES = 1 << 20

/**
 * Parses, checks and compiles what is looked for.
 * @throws VmsiftError `bad-argument` (no pattern, wrong option), `bad-pattern`, `bad-rule`, `ffi-unavailable`.
 */
export async function compileScan(
  specs: readonly PatternSpec[],
  options: CompileOptions = {},
): Promise<CompiledScan> {
  if (specs.length === 0)
    throw new VmsiftError('bad-argument', 'nothing to look for: give a text, bytes, regex or YARA pattern')
  const maxMatchBytes = options.maxMatchBytes ?? DEFAULT_MAX_MATCH_BYTES
  if (!Number.isInteger(maxMatchBytes) || maxMatchBytes < 1 || maxMatchBytes > HIGHEST_MAX_MATCH_BYTES)
    throw new VmsiftError(
      'bad-argument',
      `longest match must be 1 to ${HIGHEST_MAX_MATCH_BYTES} bytes, not ${maxMatchBytes}`,
    )
  const patterns = unique(specs).flatMap(spec => compilePattern(spec, maxMatchBytes))
  const outermost = options.outermost ?? false
  const longest = patterns.reduce((most, pattern) => Math.max(most, pattern.maxBytes), 0)
  const looksAround = patterns.some(pattern => hasAssertions(pattern.node))
  const choice = options.matcher ?? 'auto'
  const matcher = patterns.length > 0 ? compileMatcher(patterns, choice) : undefined
  return {
    patterns,
    ...(matcher === undefined ? {} : { matcher }),
    outermost,
    lookBehindBytes: (outermost ? Math.max(0, longest - 1) : 0) + (looksAround ? 1 : 0),
    lookAheadBytes: longest - 1 + (looksAround ? 2 : 0),
    hints: matcher === undefined || choice === 'embedded' ? [] : hintsAbout(matcher, patterns),
  }
}

/** Engine with its version, as `info` and a scan's summary show it: `vectorscan 5.4.9`, `embedded 1`. */
export function describeMatcher(choice: MatcherChoice = 'auto'): string {
  const version = choice === 'embedded' ? undefined : vectorscanVersion()
  return version === undefined ? `embedded ${EMBEDDED_VERSION}` : `vectorscan ${version}`
}

/** The same pattern given twice is looked for once. */
function unique<Spec extends PatternSpec>(specs: readonly Spec[]): Spec[] {
  return [...new Map(specs.map(spec => [JSON.stringify(spec), spec])).values()]
}

function compilePattern(spec: PatternSpec, maxMatchBytes: number): CompiledPattern[] {
  switch (spec.kind) {
    case 'text':
      return [measured('text', spec.text, parseText(spec.text, spec), Number.POSITIVE_INFINITY, false)]
    case 'bytes':
      return [measured('bytes', spec.hex, parseHex(spec.hex), Number.POSITIVE_INFINITY, false)]
    case 'regex': {
      const { node, lazy } = parseRegex(spec.source, spec)
      const pattern = measured('regex', spec.source, node, maxMatchBytes, lazy)
      if (pattern.minBytes <= maxMatchBytes) return [pattern]
      throw new VmsiftError(
        'bad-pattern',
        `regular expression ${quoted(spec.source)} matches ${pattern.minBytes} bytes or more, the longest match is ${maxMatchBytes}: raise --max-match`,
        { detail: { source: spec.source, minBytes: pattern.minBytes, maxMatchBytes } },
      )
    }
    case 'yara':
      return []
  }
}

function measured(
  scanner: CompiledPattern['scanner'],
  rule: string,
  node: CompiledPattern['node'],
  limit: number,
  lazy: boolean,
): CompiledPattern {
  const { min, max } = lengthsOf(node)
  return { scanner, rule, node, minBytes: min, maxBytes: Math.min(max, limit), lazy }
}

function compileMatcher(patterns: readonly CompiledPattern[], choice: MatcherChoice): CompiledMatcher {
  const version = choice === 'embedded' ? undefined : vectorscanVersion()
  if (version === undefined && choice === 'vectorscan')
    throw new VmsiftError(
      'ffi-unavailable',
      'vectorscan is not available here: apt install libvectorscan5 (or set VMSIFT_LIBHS), or use --matcher embedded',
    )
  if (version === undefined)
    return { embedded: { version: EMBEDDED_VERSION, patterns: [...patterns.keys()] } }
  const { anchors, rest } = divide(patterns)
  const database =
    anchors.length === 0 ? undefined : compileExpressions(anchors.map(({ node }) => printExpression(node)))
  return {
    ...(database === undefined ? {} : { vectorscan: { version, database } }),
    ...(rest.length === 0 ? {} : { embedded: { version: EMBEDDED_VERSION, patterns: rest } }),
  }
}

/** What a person may want to know about the engines that were taken. */
function hintsAbout(
  { vectorscan, embedded }: CompiledMatcher,
  patterns: readonly CompiledPattern[],
): string[] {
  if (embedded === undefined) return []
  if (vectorscanVersion() === undefined) return [EMBEDDED_HINT]
  const [first = 0, ...others] = embedded.patterns
  const more = others.length === 0 ? '' : ` and ${others.length} more`
  const which = `${quoted(patterns[first]?.rule ?? '')}${more}`
  return [
    `${which} ${others.length === 0 ? 'has' : 'have'} no fixed bytes that vectorscan could look for: matching ${vectorscan === undefined ? '' : 'these '}with the embedded matcher, which is slower`,
  ]
}

/** YARA rules and pattern files for the peers: seeded, with words of the image among them so that some rules hold. */
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { benchDirectory, readAt } from './data.js'
import { type Random, seeded } from './random.js'

const MIN_WORD = 8

/** `count` rules with text, nocase, wide, hex and regex strings under the usual conditions. */
export function ruleFile(image: string, imageBytes: number, count: number): string {
  const random = seeded(0x7a11)
  const words = sampleWords(image, imageBytes, 200, random)
  const rules = Array.from({ length: count }, (_, index) => rule(`bench_${index}`, random, words))
  return written(`rules-${count}.yar`, rules.join('\n'))
}

/** One rule with all `texts` as strings: what a user of `yara` does for a list of literals. */
export function literalRuleFile(texts: readonly string[]): string {
  const strings = texts.map((text, index) => `    $s${index} = "${text}"`)
  const body = `rule literals {\n  strings:\n${strings.join('\n')}\n  condition:\n    any of them\n}\n`
  return written(`literals-${texts.length}.yar`, body)
}

/** One text pattern a line, for `--patterns`. */
export function patternFile(texts: readonly string[]): string {
  return written(`patterns-${texts.length}.txt`, `${texts.join('\n')}\n`)
}

function written(name: string, text: string): string {
  const path = join(benchDirectory(), name)
  writeFileSync(path, text)
  return path
}

function rule(name: string, random: Random, words: readonly string[]): string {
  const count = 3 + random.below(6)
  const strings = Array.from({ length: count }, (_, i) => `    $s${i} = ${string(random, words)}`)
  const conditions = [
    'any of them',
    'all of them',
    '2 of them',
    '$s0 and filesize > 1KB',
    '#s1 > 2 or all of them',
  ]
  // every string must be used, or yara refuses the rule
  const condition = random.pick(conditions)
  const used = condition.includes('them') ? condition : `${condition} and any of them`
  return `rule ${name} {\n  strings:\n${strings.join('\n')}\n  condition:\n    ${used}\n}\n`
}

function string(random: Random, words: readonly string[]): string {
  const text = random.below(100) < 15 ? random.pick(words) : random.text(8 + random.below(17))
  switch (random.below(10)) {
    case 0:
    case 1:
      return `"${text}" nocase`
    case 2:
    case 3:
      return `"${text}" ascii wide`
    case 4:
    case 5:
    case 6:
      return hexString(random)
    case 7:
      return `/${random.text(5)}_(key|token|id)=[0-9a-f]{${8 + random.below(24)}}/`
    default:
      return `"${text}"`
  }
}

/** Eight to twenty bytes, a jump or a few wildcards in the midst. */
function hexString(random: Random): string {
  const byte = (): string => random.below(256).toString(16).padStart(2, '0').toUpperCase()
  const head = Array.from({ length: 6 }, byte)
  const middle = random.pick([['??'], ['[2-8]'], [`${byte()[0]}?`, '??'], ['??', '??']])
  const tail = Array.from({ length: 2 + random.below(10) }, byte)
  return `{ ${[...head, ...middle, ...tail].join(' ')} }`
}

/** Printable words that stand in the image, from seeded places. */
function sampleWords(image: string, imageBytes: number, count: number, random: Random): string[] {
  const words = new Set<string>()
  const buffer = Buffer.alloc(65536)
  const fd = openSync(image, 'r')
  try {
    for (let tries = 0; words.size < count && tries < 50 * count; tries++) {
      readAt(fd, buffer, random.below(Math.max(1, imageBytes - buffer.length)))
      const found = buffer.toString('latin1').match(/[A-Za-z0-9_]{8,24}/g) ?? []
      const word = found.length > 0 ? random.pick(found) : ''
      if (word.length >= MIN_WORD) words.add(word)
    }
  } finally {
    closeSync(fd)
  }
  return [...words]
}

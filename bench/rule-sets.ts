/**
 * Rule sets of a size and a mix as people have them, for no real one may be kept here: three to four strings a rule, most of them text
 * (a third of it wide, too), a good fourth hexadecimal code with wildcards and jumps, some regular expressions. Many texts are words that
 * programs are full of; a few strings are short. Conditions look at the header, the size, and count.
 */
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { benchDirectory, readAt } from './data.js'
import { type Random, seeded } from './random.js'

/** A file of `count` rules about an image; the same for the same image. `often`: with words and code of the image, which real rules avoid. */
export function realisticRules(image: string, imageBytes: number, count: number, often = true): string {
  const random = seeded(0x5eed)
  const material = { ...sampled(image, imageBytes, random), often }
  const rules = Array.from({ length: count }, (_, index) => rule(index, random, material))
  const path = join(benchDirectory(), `realistic-${count}${often ? '' : '-seldom'}.yar`)
  writeFileSync(path, rules.join('\n'))
  return path
}

/** Pieces of the image: words, and code. */
interface Material {
  readonly words: readonly string[]
  readonly code: readonly Uint8Array[]
  /** Whether they are used. */
  readonly often: boolean
}

const STEMS = [
  'cmd',
  'shell',
  'Inject',
  'Mutex',
  'config',
  'payload',
  'loader',
  'Update',
  'svc',
  'proxy',
  'beacon',
  'agent',
  'key',
  'Bot',
  'drop',
]
const SYSTEM = [
  'GetProcAddress',
  'VirtualAlloc',
  'CreateRemoteThread',
  'kernel32.dll',
  'HTTP/1.1',
  'User-Agent: ',
  'Mozilla/5.0',
  '/bin/sh',
  'LoadLibraryA',
  'WriteProcessMemory',
]

function rule(index: number, random: Random, material: Material): string {
  const count = 2 + random.below(4)
  const strings = Array.from({ length: count }, (_, i) => `        $s${i} = ${string(random, material)}`)
  const conditions = [
    'all of them',
    'any of them',
    '2 of them',
    'uint16(0) == 0x5a4d and filesize < 2MB and all of ($s*)',
    'uint32(0) == 0x464c457f and any of them',
    'filesize > 1KB and ($s0 or #s1 > 3)',
    '$s0 and $s1 in (0..filesize)',
    'for any of them : ( # > 5 )',
  ]
  const condition = random.pick(conditions)
  const used =
    condition.includes('them') || condition.includes('$s*') ? condition : `${condition} or all of them`
  return [
    `rule Realistic_${index} : set${index % 7}`,
    '{',
    '    meta:',
    `        description = "number ${index}"`,
    `        score = ${random.below(100)}`,
    '    strings:',
    ...strings,
    '    condition:',
    `        ${used}`,
    '}',
    '',
  ].join('\n')
}

function string(random: Random, material: Material): string {
  const dice = random.below(100)
  if (dice < 30) return `"${words(random, material)}"`
  if (dice < 38) return `"${words(random, material)}" fullword ascii`
  if (dice < 50) return `"${words(random, material)}" ascii wide`
  if (dice < 56) return `"${words(random, material)}" wide`
  if (dice < 62) return `"${words(random, material)}" nocase`
  if (dice < 63) return `"${random.text(material.often ? 4 : 6)}"`
  if (dice < 64) return random.below(5) === 0 ? `"${random.text(12)}" xor` : `"${words(random, material)}"`
  if (dice < 92) return code(random, material)
  return expression(random)
}

/** A path, a name, a message: made up, unless it is one that stands in many programs. */
function words(random: Random, material: Material): string {
  const dice = random.below(100)
  if (material.often && dice < 6) return random.pick(SYSTEM)
  if (material.often && dice < 14) return random.pick(material.words)
  const stem = random.pick(STEMS)
  const name = `${stem}${random.pick(['_', '-', '.', ' ', ''])}${random.text(4 + random.below(8))}`
  return random.pick([
    name,
    `${name}.${random.pick(['exe', 'dll', 'php', 'tmp'])}`,
    `Global\\\\${name}`,
    `%s\\\\${name}`,
    `/${name}?id=%d`,
    `${name} ${random.pick(STEMS)} ${random.text(5)}`,
  ])
}

/** Eight to forty bytes, half of them code that the image holds, with wildcards where addresses are. */
function code(random: Random, material: Material): string {
  const length = 8 + random.below(32)
  const source = random.pick(material.code)
  const own = material.often && random.below(2) === 0
  const cells = Array.from({ length }, (_, at) => {
    const byte = own ? (source[at] ?? 0) : random.below(256)
    return byte.toString(16).padStart(2, '0').toUpperCase()
  })
  const holes = random.below(4)
  // as people do: something to look for stays
  const kept = random.below(length - 6)
  for (let i = 0; i < holes; i++) {
    const at = 2 + random.below(length - 4)
    if (at > kept - 5 && at < kept + 6 && random.below(50) > 0) continue
    const kind = random.below(10)
    if (kind < 6) for (let j = at; j < Math.min(length - 1, at + 1 + random.below(4)); j++) cells[j] = '??'
    else if (kind < 7) cells[at] = random.pick(['4?', '8?', '?5'])
    else if (kind < 9) cells[at] = random.pick(['[2-6]', '[4]', '[1-16]', '[0-4]'])
    else cells[at] = '( 74 | 75 | 0F 84 )'
  }
  return `{ ${cells.join(' ')} }`
}

function expression(random: Random): string {
  const name = random.text(4 + random.below(4))
  return random.pick([
    `/${name}_[a-z0-9]{8,16}\\.(exe|dll)/`,
    `/https?:\\/\\/[a-z0-9.-]{4,40}\\/${name}\\.php/`,
    `/${name}=[A-Za-z0-9+\\/]{20,60}={0,2}/ nocase`,
    `/\\b${name}\\d{2,5}\\b/`,
    `/cmd\\.exe \\/c ${name}.{0,30}/ wide ascii`,
    `/(${name}|${random.text(5)})[ _-]?[0-9]+/`,
  ])
}

function sampled(image: string, imageBytes: number, random: Random): Omit<Material, 'often'> {
  const found = new Set<string>()
  const code: Uint8Array[] = []
  const buffer = Buffer.alloc(65536)
  const fd = openSync(image, 'r')
  try {
    for (let tries = 0; tries < 4000 && (found.size < 400 || code.length < 400); tries++) {
      readAt(fd, buffer, random.below(Math.max(1, imageBytes - buffer.length)))
      const texts = buffer.toString('latin1').match(/[A-Za-z0-9_]{8,24}/g) ?? []
      if (texts.length > 0) found.add(random.pick(texts))
      const at = buffer.indexOf(Buffer.from([0x48, 0x8b]), random.below(32768))
      if (at >= 0 && at < 65000) code.push(Uint8Array.from(buffer.subarray(at, at + 48)))
    }
  } finally {
    closeSync(fd)
  }
  return { words: [...found], code: code.length > 0 ? code : [new Uint8Array(48).fill(0x90)] }
}

/** QEMU's option strings: `key=value,key=value`, where `,,` is a comma and the first word may lack its key (QEMU, util/keyval.c). */

export type Options = ReadonlyMap<string, string>

/**
 * The options of a string; a word without `=` is the value of `implied` when it comes first, else a flag that is `on`. JSON objects,
 * which QEMU takes in the same places, are understood as far as their members are plain values.
 */
export function parseOptions(text: string, implied: string): Options {
  if (text.startsWith('{')) return jsonOptions(text)
  const options = new Map<string, string>()
  for (const [index, word] of splitWords(text).entries()) {
    const equals = word.indexOf('=')
    if (equals >= 0) options.set(word.slice(0, equals), word.slice(equals + 1))
    else if (index === 0) options.set(implied, word)
    else if (word !== '') options.set(word, 'on')
  }
  return options
}

/** Whether a flag is set. */
export function isOn(value: string | undefined): boolean {
  return value === 'on' || value === 'yes' || value === 'true' || value === 'y'
}

/** Bytes of a size as QEMU takes it: `512M`, `2G`; without a suffix in `unit`. Undefined when it is none. */
export function parseSize(text: string | undefined, unit: number): number | undefined {
  const [, digits, suffix = ''] = /^(\d+(?:\.\d+)?)([bkmgtpe]?)i?b?$/i.exec(text ?? '') ?? []
  if (digits === undefined) return undefined
  const scale = suffix === '' ? unit : 1024 ** 'bkmgtpe'.indexOf(suffix.toLowerCase())
  const bytes = Math.floor(Number(digits) * scale)
  return Number.isSafeInteger(bytes) && bytes > 0 ? bytes : undefined
}

function splitWords(text: string): string[] {
  const words: string[] = ['']
  for (const part of text.split(/(,,|,)/)) {
    if (part === ',') words.push('')
    else words[words.length - 1] += part === ',,' ? ',' : part
  }
  return words
}

function jsonOptions(text: string): Options {
  const options = new Map<string, string>()
  try {
    for (const [key, value] of Object.entries(JSON.parse(text) as Record<string, unknown>))
      if (typeof value === 'string' || typeof value === 'number') options.set(key, String(value))
      else if (typeof value === 'boolean') options.set(key, value ? 'on' : 'off')
  } catch (error) {
    // QEMU took it, so it is not what it looks like: nothing is known of it
    if (!(error instanceof SyntaxError)) throw error
  }
  return options
}

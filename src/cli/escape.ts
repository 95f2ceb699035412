/** Bytes and strings from a guest, a rule or a file name, made safe for a terminal. */

const NAMED: Readonly<Record<number, string>> = { 9: '\\t', 10: '\\n', 13: '\\r', 92: '\\\\' }

const ESCAPED_BYTE: readonly string[] = Array.from({ length: 256 }, (_, byte) => {
  const named = NAMED[byte]
  if (named !== undefined) return named
  return byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`
})

/** Bytes as printable ASCII: everything else is `\n`, `\r`, `\t`, `\\` or `\xNN`. */
export function escapeBytes(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += ESCAPED_BYTE[byte]
  return text
}

// Controls (C0, DEL, C1), line separators, and the format characters that reorder or hide text (Unicode Cc, Cf, Zl, Zp), lone surrogates.
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu

/** A string with everything that could move the cursor, reorder or hide text written as `\xNN` or `\u{NNNN}`. */
export function escapeText(text: string): string {
  return text.replace(UNSAFE, char => {
    const code = char.codePointAt(0) ?? 0
    return (
      NAMED[code] ?? (code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`)
    )
  })
}

// JSON itself escapes C0 and lone surrogates only.
const UNSAFE_IN_JSON = /[\x7f-\x9f\p{Cf}\p{Zl}\p{Zp}]/gu

/** A value as JSON that is safe on a terminal too: what `escapeText` escapes is written as `\uNNNN`, which means the same to a reader of JSON. */
export function safeJson(value: unknown): string {
  return JSON.stringify(value).replace(UNSAFE_IN_JSON, char => {
    let text = ''
    for (let i = 0; i < char.length; i++) text += `\\u${char.charCodeAt(i).toString(16).padStart(4, '0')}`
    return text
  })
}

/** A string as one safe line: line breaks and runs of white space become one space. */
export function oneLine(text: string): string {
  return escapeText(text.replace(/\s+/g, ' ').trim())
}

/** Cuts to `width` characters, the last one an ellipsis when something was cut. */
export function clip(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`
}

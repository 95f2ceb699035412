/** What a text looks like inside base64, whatever stands before and behind it: three forms, cut to the characters it decides alone. */

/** The forms of `text`; one of a single byte is told by two. Source: libyara's base64.c. */
export function base64Forms(text: Uint8Array, alphabet: string): Uint8Array[] {
  const forms: Uint8Array[] = []
  for (let lead = 0; lead <= 2; lead++) {
    if (lead === 1 && text.length === 1) continue
    const padded = new Uint8Array(lead + text.length)
    padded.fill(0x41, 0, lead)
    padded.set(text, lead)
    const rest = padded.length % 3
    const encoded = encode(padded, alphabet)
    // characters that bytes outside share in
    const from = lead === 0 ? 0 : lead + 1
    const to = encoded.length - (rest === 0 ? 0 : 1)
    forms.push(Uint8Array.from(encoded.slice(from, to)))
  }
  return forms
}

/** Characters without padding. */
function encode(bytes: Uint8Array, alphabet: string): number[] {
  const characters: number[] = []
  const bits = bytes.length * 8
  for (let bit = 0; bit < bits; bit += 6) {
    const at = bit >>> 3
    const pair = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
    characters.push(alphabet.charCodeAt((pair >>> (10 - (bit & 7))) & 63))
  }
  return characters
}

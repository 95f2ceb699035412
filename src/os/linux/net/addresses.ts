/** Internet addresses as text. */

/** Four bytes in network order: `127.0.0.1`. */
export function ipv4Text(bytes: Uint8Array): string {
  return bytes.subarray(0, 4).join('.')
}

/** Sixteen bytes in network order, as RFC 5952 writes them: `::1`, `fe80::1:2`, `::ffff:10.0.0.1`. */
export function ipv6Text(bytes: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, i) => (bytes[2 * i] ?? 0) * 256 + (bytes[2 * i + 1] ?? 0))
  if (groups.slice(0, 5).every(group => group === 0) && groups[5] === 0xffff)
    return `::ffff:${ipv4Text(bytes.subarray(12))}`
  const { start, length } = longestZeros(groups)
  const text = (part: readonly number[]): string => part.map(group => group.toString(16)).join(':')
  if (length < 2) return text(groups)
  return `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}`
}

/** The first of the longest rows of zeros. */
function longestZeros(groups: readonly number[]): { readonly start: number; readonly length: number } {
  let best = { start: 0, length: 0 }
  for (let start = 0; start < groups.length; start++) {
    let length = 0
    while (groups[start + length] === 0) length++
    if (length > best.length) best = { start, length }
  }
  return best
}

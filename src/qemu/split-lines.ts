/** Cuts a byte stream into lines of bounded length. */

const NEWLINE = 0x0a

/**
 * A handler for a stream's chunks that calls `onLine` for each line, without its end (`\n` or `\r\n`). A line longer than
 * `maxBytes` calls `onTooLong` instead, and nothing after it is looked at.
 */
export function splitLines(
  maxBytes: number,
  onLine: (line: string) => void,
  onTooLong: () => void,
): (chunk: Buffer) => void {
  let parts: Buffer[] = []
  let held = 0
  let stopped = false
  return chunk => {
    let from = 0
    while (!stopped) {
      const end = chunk.indexOf(NEWLINE, from)
      const part = chunk.subarray(from, end < 0 ? chunk.length : end)
      held += part.length
      if (held > maxBytes) {
        stopped = true
        parts = []
        onTooLong()
        return
      }
      if (part.length > 0) parts.push(part)
      if (end < 0) return
      const line = (parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)).toString()
      parts = []
      held = 0
      from = end + 1
      onLine(line.endsWith('\r') ? line.slice(0, -1) : line)
    }
  }
}

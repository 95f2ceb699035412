/** Small images for the command line's tests. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A folder that vanishes when the test file ends. */
export class TestFolder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'vmsift-cli-'))

  file(name: string, content: string | Uint8Array = ''): string {
    const path = join(this.path, name)
    writeFileSync(path, content)
    return path
  }

  /** A path at which nothing is. */
  at(name: string): string {
    return join(this.path, name)
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true })
  }
}

export interface LimeRange {
  readonly gpa: number
  readonly bytes: Uint8Array
}

export function limeImage(...ranges: LimeRange[]): Buffer {
  return Buffer.concat(
    ranges.flatMap(({ gpa, bytes }) => {
      const header = Buffer.alloc(32)
      header.writeUInt32LE(0x4c694d45, 0)
      header.writeUInt32LE(1, 4)
      header.writeBigUInt64LE(BigInt(gpa), 8)
      header.writeBigUInt64LE(BigInt(gpa + bytes.length - 1), 16)
      return [header, Buffer.from(bytes)]
    }),
  )
}

/** Bytes that no pattern of these tests matches, with texts planted. */
export function memoryWith(
  length: number,
  texts: Readonly<Record<number, string | Uint8Array>> = {},
): Buffer {
  const bytes = Buffer.alloc(length)
  for (let at = 0; at < length; at++) bytes[at] = 0x80 | ((at * 7 + (at >>> 8)) & 0x7f)
  for (const [at, text] of Object.entries(texts)) bytes.set(Buffer.from(text as string), Number(at))
  return bytes
}

/** The `hash` module: digests in lower case, of ranges of the space and of texts. */
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { after, type ModuleFunction, type RuleModule, type Value } from './module.js'
import { readRange, remembered } from './ranges.js'

interface Digest {
  add(bytes: Uint8Array): void
  result(): Value
}

function digest(algorithm: 'md5' | 'sha1' | 'sha256'): () => Digest {
  return () => {
    const hash = createHash(algorithm)
    return {
      add: bytes => void hash.update(bytes),
      result: () => Buffer.from(hash.digest('hex'), 'latin1'),
    }
  }
}

function checksum32(): Digest {
  let sum = 0
  return {
    add(bytes) {
      for (const byte of bytes) sum = (sum + byte) >>> 0
    },
    result: () => BigInt(sum),
  }
}

function cyclic(): Digest {
  let value = 0
  return {
    add(bytes) {
      value = crc32(bytes, value)
    },
    result: () => BigInt(value),
  }
}

function both(
  name: string,
  returns: ModuleFunction['returns'],
  create: () => Digest,
): readonly ModuleFunction[] {
  return [
    {
      takes: 'ii',
      returns,
      run: ([offset, length], context) =>
        remembered(context, `${name} ${offset} ${length}`, () => {
          const state = create()
          const read = readRange(context, offset as bigint, length as bigint, bytes => state.add(bytes))
          return after(read, whole => (whole ? state.result() : undefined))
        }),
    },
    {
      takes: 's',
      returns,
      run: ([text]) => {
        const state = create()
        state.add(text as Uint8Array)
        return state.result()
      },
    },
  ]
}

export const HASH: RuleModule = {
  functions: {
    md5: both('md5', 'text', digest('md5')),
    sha1: both('sha1', 'text', digest('sha1')),
    sha256: both('sha256', 'text', digest('sha256')),
    checksum32: both('checksum32', 'integer', checksum32),
    crc32: both('crc32', 'integer', cyclic),
  },
}

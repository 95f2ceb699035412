import { expect, test } from 'vitest'
import { environment } from '../../../src/os/linux/environment.js'
import { KernelMemory, typesOf } from '../../images/kernel-memory.js'

const MM = 0xffff_8880_0000_0000n
const START = 0x7ffc_0000_0f00n
const TYPES = typesOf({ mm_struct: { bytes: 32, members: { env_start: [0, 8], env_end: [8, 8] } } })

function read(text: string, length = BigInt(text.length), start = START) {
  const memory = new KernelMemory()
  memory.pointer(MM, start)
  memory.pointer(MM + 8n, start + length)
  const user = new KernelMemory()
  if (text !== '') user.write(START, Buffer.from(text))
  return environment({ memory, types: TYPES }, MM, user)
}

test('splits the block at its zeros', () => {
  expect(read('A=1\0LONG=a b=c\0\0')).toEqual({
    kind: 'read',
    variables: ['A=1', 'LONG=a b=c'],
    complete: true,
  })
})

test('what is absent inside is left out, and told as not complete', () => {
  const block = `A=1\0${'x'.repeat(300)}`
  expect(read(block, 8192n)).toMatchObject({ kind: 'read', complete: false })
})

test('a block that is not in memory tells why', () => {
  expect(read('', 100n)).toEqual({ kind: 'absent', reason: 'not-present' })
})

test('a process without memory, or whose block ends before it starts, has none', () => {
  const none = { kind: 'absent', reason: 'none' }
  expect(read('A=1\0', 0n)).toEqual(none)
  expect(read('A=1\0', -5n)).toEqual(none)
  const memory = new KernelMemory()
  expect(environment({ memory, types: TYPES }, 0n, memory)).toEqual(none)
  expect(environment({ memory, types: TYPES }, MM, memory)).toEqual(none)
})

test('a block that claims terabytes is cut', () => {
  expect(read('A=1\0B=2\0', 1n << 40n)).toMatchObject({
    kind: 'read',
    variables: ['A=1', 'B=2'],
    complete: false,
  })
})

import { describe, expect, it } from 'vitest'
import {
  chainSymbols,
  chainTypes,
  listedSymbols,
  movedSymbols,
} from '../../../src/os/linux/detect/chained-tables.js'
import { MemoSymbols } from '../../../src/os/linux/detect/memo-symbols.js'
import { MemoTypes } from '../../../src/os/linux/detect/memo-types.js'
import { symbolsOf, typesOf } from '../../images/kernel-memory.js'

describe('tables that remember what they were asked', () => {
  it('read the table when something new is asked, and only then', () => {
    let loads = 0
    const load = () => {
      loads++
      return symbolsOf({ a: 1n, b: 2n })
    }
    const first = new MemoSymbols('kallsyms', 2, load)
    expect([first.size, loads]).toEqual([2, 0])
    expect([first.addressOf('a'), first.addressOf('none'), first.addressOf('a')]).toEqual([1n, undefined, 1n])
    expect([loads, first.learnt]).toEqual([1, 2])
    const second = new MemoSymbols('kallsyms', 2, load, first.answers())
    expect([second.addressOf('a'), second.addressOf('none'), loads, second.learnt]).toEqual([
      1n,
      undefined,
      1,
      0,
    ])
    expect([second.addressOf('b'), loads, second.learnt]).toEqual([2n, 2, 1])
    expect([...second.entries()]).toHaveLength(2)
  })

  it('keep no names of any length, and not more than a few thousand', () => {
    const memo = new MemoSymbols('kallsyms', 0, () => symbolsOf({}))
    memo.addressOf('x'.repeat(10_000))
    for (let i = 0; i < 6000; i++) memo.addressOf(`name${i}`)
    expect(Object.keys(memo.answers())).toHaveLength(4096)
  })

  it('remember absence of types as well', () => {
    let loads = 0
    const types = typesOf({ task: { bytes: 64, members: { pid: [8, 4] } } })
    const load = () => {
      loads++
      return types
    }
    const ask = (memo: MemoTypes) => [
      memo.sizeOf('task'),
      memo.sizeOf('none'),
      memo.member('task', 'pid'),
      memo.member('task', 'none'),
      memo.enumerator('NONE'),
      memo.members('none'),
    ]
    const first = new MemoTypes('btf', load)
    const answers = ask(first)
    const second = new MemoTypes('btf', load, first.answers())
    expect(ask(second)).toEqual(answers)
    expect([loads, second.learnt]).toEqual([1, 0])
  })
})

describe('tables one behind the other', () => {
  it('ask the next for what the first lacks', () => {
    const chain = chainSymbols([symbolsOf({ a: 1n }), listedSymbols('derived', [{ name: 'b', address: 2n }])])
    expect([chain.addressOf('a'), chain.addressOf('b'), chain.addressOf('c'), chain.size]).toEqual([
      1n,
      2n,
      undefined,
      1,
    ])
    expect(chain.all('b')).toEqual([{ name: 'b', address: 2n }])
    expect(chainTypes([]).sizeOf('task')).toBeUndefined()
    expect(chainSymbols([]).nearest(1n)).toBeUndefined()
  })

  it('move addresses of the image, and leave small values alone', () => {
    const moved = movedSymbols(
      symbolsOf({ percpu: 0x100n, text: 0xffff_ffff_8100_0000n }),
      0x2000_0000n,
      0x4000_0000n,
    )
    expect(moved.addressOf('percpu')).toBe(0x100n)
    expect(moved.addressOf('text')).toBe(0xffff_ffff_a100_0000n)
  })
})

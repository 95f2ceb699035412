/** Kernels whose structures were shuffled: what is derived is right, or absent. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { deriveTypes } from '../../../src/os/linux/derive/derive.js'
import { taskKernel } from '../../images/derive/task-kernel.js'

const kernels = fc.record({
  pointerBytes: fc.constantFrom(4 as const, 8 as const),
  seed: fc.integer({ min: 1, max: 2 ** 31 }),
  maple: fc.boolean(),
  kernelThreads: fc.integer({ min: 4, max: 30 }),
  processes: fc.integer({ min: 3, max: 20 }),
})

it('derives members of shuffled structures right, and nearly all of them', () => {
  let wanted = 0
  let found = 0
  fc.assert(
    fc.property(kernels, options => {
      const { input, truth } = taskKernel(options)
      const types = deriveTypes(input)?.types
      for (const [path, offset] of truth) {
        const [type = '', member = ''] = path.split('.')
        const derived = types?.member(type, member)?.offset
        wanted++
        if (derived === undefined) continue
        found++
        expect(derived, path).toBe(offset)
      }
    }),
    { numRuns: 60 },
  )
  expect(found / wanted).toBeGreaterThan(0.95)
})

it('never throws and soon ends when bytes of such a kernel are changed', () => {
  fc.assert(
    fc.property(
      kernels,
      fc.array(fc.tuple(fc.nat(), fc.nat(4095), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })), {
        minLength: 1,
        maxLength: 200,
      }),
      (options, changes) => {
        const { input, memory, tasks } = taskKernel(options)
        for (const [which, offset, value] of changes) {
          const task = tasks[which % tasks.length]
          // half of the changes are pointers to tasks: rings that cross
          const other = tasks[Number(value % BigInt(tasks.length))]
          const written = which % 2 === 0 ? value : (other?.at ?? 0n) + BigInt((offset % 64) * 8)
          if (task !== undefined) memory.pointer(task.at + BigInt((offset % 1024) & ~7), written)
        }
        const start = performance.now()
        deriveTypes(input)
        expect(performance.now() - start).toBeLessThan(5000)
      },
    ),
    { numRuns: 40 },
  )
})

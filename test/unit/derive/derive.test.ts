import { describe, expect, it } from 'vitest'
import { deriveSymbols, deriveTypes } from '../../../src/os/linux/derive/derive.js'
import { taskKernel } from '../../images/derive/task-kernel.js'

describe('deriving layouts from a kernel of tasks', () => {
  for (const pointerBytes of [4, 8] as const) {
    for (const maple of [true, false]) {
      const kernel = taskKernel({ pointerBytes, maple, seed: 7 })
      const name = `${pointerBytes * 8} bits, ${maple ? 'maple tree' : 'list'}`

      it(`finds every member where it was put (${name})`, () => {
        const types = deriveTypes(kernel.input)?.types
        const found = [...kernel.truth.keys()].map(path => {
          const [type = '', member = ''] = path.split('.')
          return [path, types?.member(type, member)?.offset]
        })
        expect(Object.fromEntries(found)).toEqual(Object.fromEntries(kernel.truth))
      })

      it(`names init_task, the pid namespace and the list of modules (${name})`, () => {
        const symbols = new Map(
          deriveTypes(kernel.input)?.symbols.map(({ name, address }) => [name, address]),
        )
        expect(symbols.get('init_task')).toBe(kernel.initTask)
        expect(symbols.get('modules')).toBe(kernel.modules)
        expect(symbols.has('init_pid_ns')).toBe(true)
      })
    }
  }

  it('tells the evidence of each value, one line each', () => {
    const lines = deriveTypes(taskKernel({ pointerBytes: 8, maple: true, seed: 3 }).input)?.derived ?? []
    expect(lines.some(line => /^task_struct\.tasks = 0x[0-9a-f]+ \(ring of 17 tasks/.test(line))).toBe(true)
    expect(lines.some(line => /^init_task = 0xffffffffa1080000 \(/.test(line))).toBe(true)
    expect(new Set(lines).size).toBe(lines.length)
  })

  it('gives only the symbols when only they are asked for', () => {
    const { input, modules } = taskKernel({ pointerBytes: 8, maple: true, seed: 3 })
    expect(deriveSymbols(input)?.symbols).toEqual([{ name: 'modules', address: modules }])
  })

  it('is not led astray by the name of the first task in a message', () => {
    const { input, memory, initTask } = taskKernel({ pointerBytes: 8, maple: true, seed: 3 })
    for (let i = 0n; i < 20n; i++)
      memory.text(input.kernelBase + 0x1_0000n + i * 0x100n, 'swapper/0\0\0\0\0\0\0\0')
    expect(deriveTypes(input)?.symbols[0]?.address).toBe(initTask)
  })

  it('leaves out what two places could be', () => {
    const kernel = taskKernel({ pointerBytes: 8, maple: true, seed: 3 })
    const types = deriveTypes(kernel.input)?.types
    const stack = types?.member('task_struct', 'stack')?.offset ?? 0
    const free = types?.member('task_struct', 'tasks')?.offset === stack - 32 ? stack + 16 : stack - 24
    for (const task of kernel.tasks) {
      const bytes = kernel.memory.read(task.at + BigInt(stack), 8).bytes
      kernel.memory.write(task.at + BigInt(free), bytes)
    }
    const again = deriveTypes(kernel.input)?.types
    expect(again?.member('task_struct', 'comm')).toBeDefined()
    expect(again?.member('task_struct', 'stack')).toBeUndefined()
  })

  it('reaches the rest of a ring that lost a task from its other end', () => {
    const { input, memory, tasks, truth } = taskKernel({
      pointerBytes: 8,
      maple: true,
      seed: 3,
      kernelThreads: 40,
    })
    const lost = tasks[20]?.at ?? 0n
    const at = BigInt(truth.get('task_struct.tasks') ?? 0)
    memory.write(lost + at, new Uint8Array(16))
    const derived = deriveTypes(input)
    for (const name of ['tasks', 'comm', 'pid', 'mm', 'real_parent', 'group_leader'])
      expect(derived?.types.member('task_struct', name)?.offset, name).toBe(truth.get(`task_struct.${name}`))
    expect(derived?.derived[0]).toContain(`ring of ${tasks.length - 1} tasks`)
  })

  it('finds nothing where the ring of tasks is broken, and says so by its absence', () => {
    const { input, memory, tasks, truth } = taskKernel({ pointerBytes: 8, maple: true, seed: 3 })
    for (const { at } of tasks.slice(0, 4))
      memory.pointer(at + BigInt(truth.get('task_struct.tasks') ?? 0), 0n)
    const derived = deriveTypes(input)
    expect(derived?.types.member('task_struct', 'tasks')).toBeUndefined()
    expect(derived?.symbols.map(symbol => symbol.name)).toEqual(['modules'])
  })
})

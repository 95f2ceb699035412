import { beforeAll, describe, expect, it } from 'vitest'
import { openFilesOfAll } from '../../src/os/linux/files.js'
import { sockets } from '../../src/os/linux/sockets.js'
import { threadsOfAll } from '../../src/os/linux/threads.js'
import { type DemoGuest, openDemo } from '../helpers/demo-kernel.js'
import { hostileWords } from '../helpers/hostile-words.js'

// each bound held for one process, and a guest may have 100 000 that share what the bound is of
describe('what many processes share is walked within one bound', () => {
  let guest: DemoGuest
  let holders: { pid: number; name: string; address: bigint }[]
  beforeAll(async () => {
    guest = await openDemo()
    const words = hostileWords(guest)
    const task = guest.symbol('init_task')
    // a task that is one, with a table of files and a list of threads that are none
    guest.pointer(task + guest.offset('task_struct', 'files'), words)
    guest.pointer(task + guest.offset('task_struct', 'signal'), words)
    holders = Array.from({ length: 5000 }, (_, i) => ({ pid: i + 1, name: 'same', address: task }))
  })

  it('open files', () => {
    const { items, problems } = openFilesOfAll(guest.kernel, holders)
    expect(items.length).toBeGreaterThan(0)
    expect(items.length).toBeLessThanOrEqual(2 ** 17)
    expect(problems.map(({ kind }) => kind)).toContain('cut')
  })

  it('sockets of descriptors, and of namespaces that share their tables', () => {
    expect(sockets(guest.kernel, holders).items.length).toBeLessThanOrEqual(2 ** 18)
  })

  it('threads', () => {
    const { items, problems } = threadsOfAll(guest.kernel, holders)
    expect(items.length).toBeLessThanOrEqual(2 ** 18)
    expect(problems.map(({ kind }) => kind)).toContain('cut')
  })
})

/** A kernel of tasks, address spaces and modules with layouts of its own, and nothing that tells them. */

import type { DeriveInput } from '../../../src/os/linux/derive/derive.js'
import { KernelMemory, symbolsOf } from '../kernel-memory.js'
import { type Group, planStruct, type Random, randomFrom } from './struct-plan.js'

export interface TaskKernelOptions {
  readonly pointerBytes: 4 | 8
  readonly seed: number
  /** Mappings in a maple tree, or in a list. */
  readonly maple: boolean
  readonly kernelThreads?: number
  readonly processes?: number
}

export interface TaskKernel {
  readonly memory: KernelMemory
  readonly input: DeriveInput
  /** Where each member stands: `task_struct.pid`. */
  readonly truth: ReadonlyMap<string, number>
  readonly initTask: bigint
  readonly modules: bigint
  readonly tasks: readonly MadeTask[]
}

export interface MadeTask {
  readonly at: bigint
  readonly pid: number
  readonly name: string
  readonly parent: number
  readonly kernel: boolean
  readonly mm: bigint
  readonly uid: number
  /** Other threads of the process. */
  readonly threads: readonly bigint[]
}

const DTB = 0x1000
const TASK_MAGIC = 0x57ac_6e9d
const FULL_SET = (1n << 41n) - 1n

/** Builds it: the same options give the same kernel. */
export function taskKernel(options: TaskKernelOptions): TaskKernel {
  return new Builder(options).build()
}

class Builder {
  readonly #width: 4 | 8
  readonly #memory: KernelMemory
  readonly #random: Random
  readonly #options: TaskKernelOptions
  readonly #image: bigint
  readonly #heap: bigint
  readonly #task: Map<string, number>
  readonly #mm: Map<string, number>
  readonly #signal: Map<string, number>
  readonly #pid: Map<string, number>
  #next: bigint
  #tasks: MadeTask[] = []

  constructor(options: TaskKernelOptions) {
    this.#options = options
    this.#width = options.pointerBytes
    this.#memory = new KernelMemory(options.pointerBytes)
    this.#random = randomFrom(options.seed)
    this.#image = this.#width === 8 ? 0xffff_ffff_a100_0000n : 0xc900_0000n
    this.#heap = this.#width === 8 ? 0xffff_8880_0400_0000n : 0xc010_0000n
    this.#next = this.#heap
    const w = this.#width
    const list = (name: string): Group => [[name, 2 * w]]
    this.#task = this.#plan(
      [
        [
          ['state', 4],
          ['stack', w],
        ],
        [['flags', 4]],
        list('tasks'),
        [
          ['mm', w],
          ['active_mm', w],
        ],
        [
          ['exit_state', 4],
          ['exit_code', 4],
          ['exit_signal', 4],
        ],
        [
          ['pid', 4],
          ['tgid', 4],
        ],
        [
          ['real_parent', w],
          ['parent', w],
        ],
        list('children'),
        list('sibling'),
        [['group_leader', w]],
        [['thread_pid', w]],
        [['pid_links', 8 * w]],
        list('thread_node'),
        [
          ['start_time', 8],
          ['start_boottime', 8],
        ],
      ],
      [
        [
          ['real_cred', w],
          ['cred', w],
        ],
        [['comm', 16]],
      ],
      [[['signal', w]], [['files', w]], [['nsproxy', w]]],
    )
    this.#mm = planStruct(
      [
        list('mm_mt'),
        [['pgd', w]],
        [
          ['program', 11 * w],
          ['auxv', 48 * w],
        ],
      ],
      w,
      this.#random,
    )
    const head = 16 + w * this.#random(8)
    this.#signal = new Map([
      ['sigcnt', 0],
      ['live', 4],
      ['nr_threads', 8],
      ['thread_head', head],
      ['', head + 64],
    ])
    this.#pid = planStruct(
      [
        [
          ['count', 4],
          ['level', 4],
        ],
        [['tasks', 4 * w]],
        [['numbers', 2 * w]],
      ],
      w,
      this.#random,
      false,
    )
  }

  /** Members of each part in random order; the parts keep theirs. */
  #plan(...parts: readonly (readonly Group[])[]): Map<string, number> {
    const all = new Map<string, number>()
    let base = 0
    for (const [i, part] of parts.entries()) {
      const plan = planStruct(part, 8, this.#random, i !== 1)
      for (const [name, offset] of plan) all.set(name, base + offset)
      base += plan.get('') ?? 0
    }
    return all
  }

  /** Fresh memory, all zeros. */
  #take(bytes: number, align = 64): bigint {
    const step = BigInt(align)
    // what is beside a structure is not part of it: other pages, as other slabs would be
    const at = ((this.#next + 4096n + step - 1n) / step) * step
    this.#zeros(at, bytes)
    this.#next = at + BigInt(bytes)
    return at
  }

  /** Makes pages: one byte is enough for each. */
  #zeros(at: bigint, bytes: number): void {
    const end = at + BigInt(bytes)
    for (let page = at; page < end; page += 4096n) this.#memory.write(page, Uint8Array.of(0))
    this.#memory.write(end - 1n, Uint8Array.of(0))
  }

  #at(plan: Map<string, number>, name: string): bigint {
    return BigInt(plan.get(name) ?? 0)
  }

  #set(
    at: bigint,
    plan: Map<string, number>,
    name: string,
    value: number | bigint,
    bytes: number = this.#width,
  ): void {
    this.#memory.number(at + this.#at(plan, name), value, bytes)
  }

  build(): TaskKernel {
    const { kernelThreads = 8, processes = 6 } = this.#options
    const image = this.#image
    this.#zeros(image, 0x10_0000)
    const initTask = image + 0x8_0000n
    const namespace = image + 0x9_0000n
    this.#addTask({ name: 'swapper/0', parent: -1, kernel: true, at: initTask, pid: 0 }, namespace)
    this.#addTask({ name: 'init', parent: 0, kernel: false, pid: 1 }, namespace)
    this.#addTask({ name: 'kthreadd', parent: 0, kernel: true, pid: 2 }, namespace)
    let pid = 3
    for (let i = 0; i < kernelThreads; i++)
      this.#addTask({ name: `kworker/${i}`, parent: 2, kernel: true, pid: pid++ }, namespace)
    for (let i = 0; i < processes; i++)
      this.#addTask(
        { name: `daemon-${i}`, parent: 1 + (i > 2 ? pid - 2 : 0), kernel: false, pid: pid++ },
        namespace,
      )
    this.#link()
    const modules = this.#modules()
    const known = new Map<number, true>(this.#tasks.map(task => [Number(task.mm & 0xffff_ffffn), true]))
    return {
      memory: this.#memory,
      input: {
        memory: this.#memory,
        symbols: symbolsOf({ _stext: image }),
        kernelBase: image,
        dtb: DTB,
        // every page table maps the kernel alike; a process's maps its own half too
        translate: (dtb, va) => {
          if (dtb !== DTB && !known.has(dtb - 0x40)) return undefined
          const user = va < (this.#width === 8 ? 1n << 63n : 0xc000_0000n)
          if (user && dtb === DTB) return undefined
          return Number(va & 0xffff_ffffn)
        },
      },
      truth: this.#truth(),
      initTask,
      modules,
      tasks: this.#tasks,
    }
  }

  #addTask(
    made: { name: string; parent: number; kernel: boolean; pid: number; at?: bigint },
    namespace: bigint,
  ): void {
    const bytes = this.#task.get('') ?? 0
    const at = made.at ?? this.#take(bytes)
    const task = this.#task
    const mm = made.kernel ? 0n : this.#addressSpace(made.pid)
    const uid = made.kernel ? 0 : made.pid % 3 === 0 ? 1000 : 0
    const threads =
      made.pid > 4 && made.pid % 2 === 0 && !made.kernel ? [this.#take(bytes), this.#take(bytes)] : []
    const credentials = this.#credentials(uid)
    const signal = this.#take(this.#signal.get('') ?? 0)
    const nodes = [at, ...threads].map(thread => thread + this.#at(task, 'thread_node'))
    this.#memory.ring(signal + this.#at(this.#signal, 'thread_head'), nodes)
    for (const name of ['sigcnt', 'live', 'nr_threads'])
      this.#set(signal, this.#signal, name, nodes.length, 4)
    for (const [i, thread] of [at, ...threads].entries()) {
      this.#memory.write(thread + this.#at(task, 'comm'), Buffer.from(made.name.padEnd(16, '\0')))
      this.#set(thread, task, 'pid', i === 0 ? made.pid : 500 + made.pid + i, 4)
      this.#set(thread, task, 'tgid', made.pid, 4)
      this.#set(thread, task, 'group_leader', at)
      this.#set(thread, task, 'signal', signal)
      this.#set(thread, task, 'mm', mm)
      this.#set(thread, task, 'active_mm', mm)
      this.#set(thread, task, 'real_cred', credentials)
      this.#set(thread, task, 'cred', credentials)
    }
    this.#set(at, task, 'state', made.pid === 0 ? 0 : 1, 4)
    this.#set(at, task, 'flags', made.kernel ? 0x20_8040 : 0x40_0000, 4)
    this.#set(at, task, 'exit_signal', made.parent > 0 ? 17 : 0, 4)
    const time = made.pid === 0 ? 0n : 300_000_000n + BigInt(made.pid) * 4_000_123n
    this.#set(at, task, 'start_time', time, 8)
    this.#set(at, task, 'start_boottime', time, 8)
    const stack = this.#take(8192, 8192)
    this.#memory.number(stack, TASK_MAGIC, 4)
    this.#set(at, task, 'stack', stack)
    if (made.pid > 0) this.#addPid(at, made.pid, namespace)
    this.#tasks.push({ ...made, at, mm, uid, threads })
  }

  #addPid(at: bigint, number: number, namespace: bigint): void {
    const pid = this.#take(this.#pid.get('') ?? 0)
    const links = at + this.#at(this.#task, 'pid_links')
    this.#set(at, this.#task, 'thread_pid', pid)
    this.#set(pid, this.#pid, 'count', 2, 4)
    // a leader stands in the list of its pid and in that of its thread group
    for (const type of [0n, 1n]) {
      const list = pid + this.#at(this.#pid, 'tasks') + type * BigInt(this.#width)
      const node = links + type * BigInt(2 * this.#width)
      this.#memory.pointer(list, node)
      this.#memory.pointer(node + BigInt(this.#width), list)
    }
    this.#set(pid, this.#pid, 'numbers', number, 4)
    this.#memory.pointer(pid + this.#at(this.#pid, 'numbers') + BigInt(this.#width), namespace)
  }

  #credentials(uid: number): bigint {
    const width = BigInt(this.#width)
    const at = this.#take(160)
    this.#memory.pointer(at, 4n)
    for (let i = 0n; i < 8n; i++) this.#memory.number(at + width + i * 4n, uid, 4)
    const sets = at + width + 36n
    if (uid === 0) for (let i = 1n; i < 4n; i++) this.#memory.number(sets + i * 8n, FULL_SET, 8)
    return at
  }

  #addressSpace(pid: number): bigint {
    const w = this.#width
    const mm = this.#take(4096)
    this.#set(mm, this.#mm, 'pgd', mm + 0x40n)
    const code = 0x40_0000 + pid * 0x10_0000
    const stack = 0x7f00_0000 + pid * 0x10_0000
    const heap = code + 0x8000
    const ranges = [
      { start: code, end: code + 0x5000, flags: 0x75n, file: true },
      { start: heap, end: heap + 0x4000, flags: 0x73n, file: false },
      { start: stack - 0x2_0000, end: stack + 0x1000, flags: 0x173n, file: false },
    ]
    for (let i = 0; i < pid % 3; i++) {
      const start = code + 0x2_0000 + i * 0x4000
      ranges.splice(2, 0, { start, end: start + 0x2000, flags: 0x71n, file: false })
    }
    ranges.sort((a, b) => a.start - b.start)
    const program = [code, code + 0x4800, code + 0x6000, code + 0x6800, heap, heap + 0x4000]
    program.push(stack - 0x100, stack, stack + 0x20, stack + 0x20, stack + 0x80)
    for (const [i, address] of program.entries())
      this.#memory.pointer(mm + this.#at(this.#mm, 'program') + BigInt(i * w), BigInt(address))
    for (const [i, word] of [33, stack + 0x50_0000, 6, 4096, 3, code + 0x40, 0, 0].entries())
      this.#memory.pointer(mm + this.#at(this.#mm, 'auxv') + BigInt(i * w), BigInt(word))
    const vmas = ranges.map(range => {
      const vma = this.#take(128, 8)
      const words = [range.start, range.end, 0n, mm, range.flags]
      for (const [i, word] of words.entries()) this.#memory.pointer(vma + BigInt(i * w), BigInt(word))
      return vma
    })
    vmas.forEach((vma, i) => {
      if (!this.#options.maple) this.#memory.pointer(vma + BigInt(2 * w), vmas[i + 1] ?? 0n)
    })
    const head = mm + this.#at(this.#mm, 'mm_mt')
    if (this.#options.maple) this.#memory.pointer(head + BigInt(w), this.#mapleLeaf(vmas, ranges) + 0xen)
    else this.#memory.pointer(head, vmas[0] ?? 0n)
    // flags stand behind the root, where there is no room before it
    if (this.#options.maple) this.#memory.number(head + BigInt(2 * w), 0x307, 4)
    return mm
  }

  #mapleLeaf(vmas: readonly bigint[], ranges: readonly { start: number; end: number }[]): bigint {
    const w = this.#width
    const slots = w === 8 ? 16 : 32
    const node = this.#take(256, 256)
    let slot = 0
    const put = (last: bigint, entry: bigint): void => {
      this.#memory.pointer(node + BigInt((1 + slot) * w), last)
      this.#memory.pointer(node + BigInt((slots + slot) * w), entry)
      slot++
    }
    ranges.forEach(({ start, end }, i) => {
      const before = i === 0 ? 0 : (ranges[i - 1]?.end ?? 0)
      if (start > before) put(BigInt(start) - 1n, 0n)
      put(BigInt(end) - 1n, vmas[i] ?? 0n)
    })
    put((1n << BigInt(8 * w)) - 1n, 0n)
    return node
  }

  /** Rings: all leaders, and the children of each. */
  #link(): void {
    const task = this.#task
    const byPid = new Map(this.#tasks.map(made => [made.pid, made]))
    const [init, ...others] = this.#tasks
    if (init === undefined) return
    this.#memory.ring(
      init.at + this.#at(task, 'tasks'),
      others.map(made => made.at + this.#at(task, 'tasks')),
    )
    for (const made of this.#tasks) {
      const parent = byPid.get(made.parent) ?? init
      for (const thread of [made.at, ...made.threads]) {
        this.#set(thread, task, 'real_parent', parent.at)
        this.#set(thread, task, 'parent', parent.at)
      }
      const kids = this.#tasks.filter(kid => kid !== init && kid.parent === made.pid)
      this.#memory.ring(
        made.at + this.#at(task, 'children'),
        kids.map(kid => kid.at + this.#at(task, 'sibling')),
      )
    }
  }

  #modules(): bigint {
    const w = this.#width
    const head = this.#image + 0xa_0000n
    const base = this.#width === 8 ? 0xffff_ffff_c000_0000n : 0xf880_0000n
    const layout = 64 + 8 * (1 + this.#random(20))
    const nodes = ['ext4', 'virtio_net', 'dummy'].map((name, i) => {
      const start = base + BigInt(i * 0x1_0000)
      const at = start + 0x3000n
      this.#zeros(start, 0x8000)
      this.#memory.text(at + BigInt(3 * w), name)
      this.#memory.pointer(at + BigInt(layout + 64), start)
      for (const [j, size] of [0x8000, 0x2000, 0x3000].entries())
        this.#memory.number(at + BigInt(layout + 64 + w + 4 * j), size, 4)
      return at + BigInt(w)
    })
    this.#memory.ring(head, nodes)
    return head
  }

  #truth(): Map<string, number> {
    const w = this.#width
    const truth = new Map<string, number>()
    for (const [name, offset] of this.#task)
      if (!['', 'files', 'nsproxy'].includes(name))
        truth.set(`task_struct.${name === 'state' ? '__state' : name}`, offset)
    truth.set('mm_struct.pgd', this.#mm.get('pgd') ?? 0)
    truth.set('mm_struct.start_code', this.#mm.get('program') ?? 0)
    truth.set('mm_struct.env_end', (this.#mm.get('program') ?? 0) + 10 * w)
    truth.set(this.#options.maple ? 'mm_struct.mm_mt' : 'mm_struct.mmap', this.#mm.get('mm_mt') ?? 0)
    truth.set('vm_area_struct.vm_end', w)
    truth.set('vm_area_struct.vm_mm', 3 * w)
    truth.set('vm_area_struct.vm_flags', 4 * w)
    truth.set('signal_struct.thread_head', this.#signal.get('thread_head') ?? 0)
    truth.set('signal_struct.nr_threads', 8)
    truth.set('pid.numbers', this.#pid.get('numbers') ?? 0)
    truth.set('cred.uid', w)
    truth.set('module.name', 3 * w)
    return truth
  }
}

/** The worker threads: piscina behind the few calls that a scan needs. */
import { Piscina } from 'piscina'
import { type ErrorRecord, VmsiftError } from '../core/errors.js'
import type { ControlBlock } from '../scan/control.js'
import type { Batch, CloseTask, EnumerateAnswer, EnumerateTask, ScanTask } from '../scan/messages.js'

/** Running from source or from the build: the worker is the same file beside it. */
const SUFFIX = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
const WORKER = new URL(`../../workers/scan${SUFFIX}`, import.meta.url)

export class ScanPool {
  readonly #onBatch: (batch: Batch) => void
  readonly #workers: number
  readonly #first: Piscina
  /** For second attempts: made when there is one. */
  #second: Piscina | undefined
  /** Rejects when threads can't be started at all. */
  readonly #dead: Promise<never>
  #die: (error: VmsiftError) => void = () => undefined

  /** Starts one thread, and no other before `widen`: piscina would start one for the first task, while the first boots. */
  constructor(workers: number, onBatch: (batch: Batch) => void) {
    this.#workers = workers
    this.#onBatch = onBatch
    this.#dead = new Promise((_, reject) => {
      this.#die = reject
    })
    this.#dead.catch(() => undefined)
    this.#first = this.#open()
  }

  #open(): Piscina {
    const piscina = new Piscina({
      filename: WORKER.href,
      name: 'run',
      minThreads: 1,
      maxThreads: 1,
      maxQueue: Number.POSITIVE_INFINITY,
      idleTimeout: Number.POSITIVE_INFINITY,
      concurrentTasksPerWorker: 1,
      // sorted order relies on it: a partition must never be overtaken by one behind it
      stricterFIFO: true,
      recordTiming: false,
      // node's own flags are not the workers' business, but source needs its loader there too
      execArgv: SUFFIX === '.ts' ? ['--import', 'tsx'] : [],
    })
    piscina.on('message', this.#onBatch)
    // a worker that dies at work fails its task, which is where it is dealt with; one that dies before fails nothing
    piscina.on('error', (cause: Error) => {
      setImmediate(() => {
        if (piscina.threads.length > 0) return
        const why = cause.message.split('\n')[0]
        this.#die(new VmsiftError('worker-failed', `worker threads do not start: ${why}`, { cause }))
      })
    })
    return piscina
  }

  /** Lets as many threads start as were asked for, as tasks come in. */
  widen(): void {
    this.#first.options.maxThreads = this.#workers
  }

  /**
   * Runs one partition, a second attempt on a thread kept for these; resolves with what went wrong, or undefined.
   * Rejects when the thread died.
   * @throws VmsiftError `worker-failed` from every call once threads can't be started at all.
   */
  async run(task: ScanTask): Promise<ErrorRecord | undefined> {
    if (task.attempt > 0) this.#second ??= this.#open()
    const piscina = task.attempt > 0 && this.#second !== undefined ? this.#second : this.#first
    return Promise.race([piscina.run(task), this.#dead])
  }

  /** Enumerates address spaces on a thread. Rejects when it died, and as `run` does. */
  async enumerate(task: EnumerateTask): Promise<EnumerateAnswer> {
    return Promise.race([this.#first.run(task), this.#dead])
  }

  /** Lets every thread close its driver, then ends them. Never longer than `graceMs` and the threads' own end. */
  async close(graceMs: number, control?: ControlBlock): Promise<void> {
    const pools = this.#second === undefined ? [this.#first] : [this.#first, this.#second]
    const workers = pools.reduce((sum, pool) => sum + pool.threads.length, 0)
    const task: CloseTask = { kind: 'close', workers, ...(control && { control: control.shared }) }
    const closing = pools.flatMap(pool => pool.threads.map(() => pool.run(task)))
    let timer: NodeJS.Timeout | undefined
    const grace = new Promise(resolve => {
      timer = setTimeout(resolve, graceMs)
    })
    await Promise.race([Promise.allSettled(closing), grace])
    clearTimeout(timer)
    await Promise.all(pools.map(pool => pool.destroy()))
  }
}

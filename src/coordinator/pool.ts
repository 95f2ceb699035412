/** The worker threads: piscina behind the few calls that a scan needs. */
import { Piscina } from 'piscina'
import type { ErrorRecord } from '../core/errors.js'
import type { ControlBlock } from '../scan/control.js'
import type { Batch, CloseTask, ScanTask } from '../scan/messages.js'

/** Running from source or from the build: the worker is the same file beside it. */
const SUFFIX = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
const WORKER = new URL(`../../workers/scan${SUFFIX}`, import.meta.url)

export class ScanPool {
  readonly #piscina: Piscina

  /** Starts one thread now, and up to `workers` as tasks come in. */
  constructor(workers: number, onBatch: (batch: Batch) => void) {
    this.#piscina = new Piscina({
      filename: WORKER.href,
      name: 'run',
      minThreads: 1,
      maxThreads: workers,
      idleTimeout: Number.POSITIVE_INFINITY,
      concurrentTasksPerWorker: 1,
      recordTiming: false,
      // node's own flags are not the workers' business, but source needs its loader there too
      execArgv: SUFFIX === '.ts' ? ['--import', 'tsx'] : [],
    })
    this.#piscina.on('message', onBatch)
    // a worker that dies fails its task, which is where it is dealt with
    this.#piscina.on('error', () => undefined)
  }

  /** Runs one partition; resolves with what went wrong, or undefined. Rejects when the thread died. */
  run(task: ScanTask): Promise<ErrorRecord | undefined> {
    return this.#piscina.run(task)
  }

  /** Lets every thread close its driver, then ends them. Never longer than `graceMs` and the threads' own end. */
  async close(graceMs: number, control?: ControlBlock): Promise<void> {
    const workers = this.#piscina.threads.length
    const task: CloseTask = { kind: 'close', workers, ...(control && { control: control.shared }) }
    const closing = Array.from({ length: workers }, () => this.#piscina.run(task))
    let timer: NodeJS.Timeout | undefined
    const grace = new Promise(resolve => {
      timer = setTimeout(resolve, graceMs)
    })
    await Promise.race([Promise.allSettled(closing), grace])
    clearTimeout(timer)
    await this.#piscina.destroy()
  }
}

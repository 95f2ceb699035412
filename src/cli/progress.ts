/** How far along a command is, on stderr: a bar on a terminal, a line now and then elsewhere. */
import type { SingleBar } from 'cli-progress'
import { formatBytes, formatRate, formatSeconds } from './units.js'

export interface Progress {
  readonly bytesTotal: number
  readonly bytesDone: number
  /** Bytes a second. */
  readonly rate: number
  readonly secondsLeft?: number
}

export interface ProgressView {
  /** How often `update` is worth calling, in seconds. */
  readonly seconds: number
  update(progress: Progress): void
  /** Takes the bar off the terminal, so that a line can be printed; the next `update` draws it again. */
  hide(): void
}

export interface ProgressOptions {
  readonly quiet?: boolean
  readonly progress?: boolean
}

/** A bar when stderr is a terminal, plain lines with `--progress` elsewhere; undefined when nothing is to be shown. */
export function progressView(options: ProgressOptions): ProgressView | undefined {
  if (options.quiet === true) return undefined
  if (process.stderr.isTTY) return new BarView()
  return options.progress === true ? new LineView() : undefined
}

/** What stands beside the bar, and all that a plain line says. */
export function progressText(progress: Progress): string {
  const left = progress.secondsLeft === undefined ? '' : `, ${formatSeconds(progress.secondsLeft)} left`
  return `${formatBytes(progress.bytesDone)} of ${formatBytes(progress.bytesTotal)}, ${formatRate(progress.rate)}${left}`
}

class LineView implements ProgressView {
  readonly seconds = 2

  update(progress: Progress): void {
    const percent =
      progress.bytesTotal === 0 ? 100 : Math.floor((progress.bytesDone / progress.bytesTotal) * 100)
    process.stderr.write(`vmsift: ${percent}% ${progressText(progress)}\n`)
  }

  hide(): void {}
}

class BarView implements ProgressView {
  readonly seconds = 0.2
  #bar: SingleBar | undefined
  #loading = false
  #shown = false

  update(progress: Progress): void {
    if (this.#bar === undefined) {
      if (!this.#loading) void this.#load()
      return
    }
    const payload = { text: progressText(progress) }
    const total = Math.max(1, progress.bytesTotal)
    if (this.#shown) this.#bar.update(progress.bytesDone, payload)
    else this.#bar.start(total, progress.bytesDone, payload)
    this.#shown = true
  }

  hide(): void {
    if (!this.#shown) return
    this.#shown = false
    this.#bar?.stop()
  }

  // 16 ms that a short scan never pays.
  async #load(): Promise<void> {
    this.#loading = true
    const { SingleBar } = (await import('cli-progress')).default
    this.#bar = new SingleBar({
      format: '{bar} {percentage}% {text}',
      barsize: 24,
      barCompleteChar: '#',
      barIncompleteChar: '-',
      hideCursor: false,
      clearOnComplete: true,
      linewrap: true,
      // The command ends in its own way on Ctrl-C.
      gracefulExit: false,
    })
  }
}

/** Ctrl-C and SIGTERM as an AbortSignal. */
import { EXIT } from './exit-codes.js'

export interface Interrupt extends Disposable {
  readonly signal: AbortSignal
  /** 130 or 143 once a signal has come. */
  readonly exitCode: number | undefined
}

/**
 * The first SIGINT or SIGTERM aborts `signal`, and the command ends in good order. From then on the system's own
 * handling is back, so a second one kills at once, even while this thread is busy.
 */
export function watchInterrupts(): Interrupt {
  const controller = new AbortController()
  let exitCode: number | undefined
  const release = () => {
    process.removeListener('SIGINT', onInt)
    process.removeListener('SIGTERM', onTerm)
  }
  const stop = (code: number) => {
    release()
    exitCode = code
    controller.abort()
  }
  const onInt = () => stop(EXIT.interrupted)
  const onTerm = () => stop(EXIT.terminated)
  process.on('SIGINT', onInt)
  process.on('SIGTERM', onTerm)
  return {
    signal: controller.signal,
    get exitCode() {
      return exitCode
    },
    [Symbol.dispose]: release,
  }
}

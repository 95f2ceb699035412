/**
 * Runs code that runs once a process without V8's optimising compiler. It takes a parser's many functions for hot, and translates them in
 * threads of its own, which takes longer than they run from then on, on processors that are wanted for the search.
 */
import { setFlagsFromString } from 'node:v8'

/** Flags that a person gave: nothing is changed where they are about compilers. */
const GIVEN = [...process.execArgv, process.env['NODE_OPTIONS'] ?? ''].join(' ')
const IS_LEFT_ALONE = /opt|jit|turbofan|maglev|sparkplug|lite/.test(GIVEN)

let isOff = false

/** The result of `run`. Meanwhile nothing is optimised in this process, in any thread; what was is used. */
export function unoptimised<Result>(run: () => Result): Result {
  if (isOff || IS_LEFT_ALONE) return run()
  setFlagsFromString('--no-opt')
  isOff = true
  try {
    return run()
  } finally {
    isOff = false
    setFlagsFromString('--opt')
  }
}

/** What every suite is given. */
import type { Report } from './report.js'

export interface Bench {
  readonly report: Report
  /** Size of the image of real content. */
  readonly megabytes: number
  /** Size of the larger one, for whole processes. */
  readonly largeMegabytes: number
  /** Measured runs of each case, after one to warm up. */
  readonly rounds: number
  /** Installed peers are run too. */
  readonly peers: boolean
}

export type Suite = (bench: Bench) => Promise<void>

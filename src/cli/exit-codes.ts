/** What a finished command tells the shell; docs/cli and `--help` name the same. */

export const EXIT = {
  /** Done; for `scan`: something was found. */
  done: 0,
  /** `scan` finished and found nothing. */
  nothing: 1,
  /** The command line, a rule or the target is wrong. */
  usage: 2,
  /** Finished, but memory that should be there could not be read. */
  unread: 3,
  /** Ctrl-C. */
  interrupted: 130,
  terminated: 143,
} as const

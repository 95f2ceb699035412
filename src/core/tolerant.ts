/**
 * What the system refuses (a file that is gone, a process of another user's) is answered with undefined. Only for calls where that is
 * a result and no failure; errors of any other kind are thrown.
 */
export function tolerant<T>(call: () => T): T | undefined {
  try {
    return call()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error
    return undefined
  }
}

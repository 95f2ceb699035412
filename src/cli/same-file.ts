/** Keeps a command from writing over what it reads. */
import { stat } from 'node:fs/promises'
import { VmsiftError } from '../core/errors.js'

/**
 * @throws VmsiftError `output-failed` when `output` is one of `inputs` by device and inode: other paths, links and
 * hard links to it count too. `option` names the option that chose the output.
 */
export async function refuseOverwrite(
  output: string,
  inputs: readonly string[],
  option: string,
): Promise<void> {
  const there = await identity(output)
  if (there === undefined) return
  for (const input of inputs)
    if ((await identity(input)) === there)
      throw new VmsiftError(
        'output-failed',
        `${output} is the input ${input} itself; choose another ${option}`,
        {
          detail: { output, input },
        },
      )
}

/** Undefined where there is nothing yet, or nothing that may be looked at: opening it tells why. */
async function identity(path: string): Promise<string | undefined> {
  try {
    const { dev, ino } = await stat(path, { bigint: true })
    return `${dev}:${ino}`
  } catch {
    return undefined
  }
}

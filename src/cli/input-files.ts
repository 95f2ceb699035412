/** Pattern and rule files as the command line names them. */
import { open, readdir, stat } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { VmsiftError } from '../core/errors.js'
import { reasonOf } from '../export/system-errors.js'

const MAX_FILE_BYTES = 256 * 2 ** 20

/**
 * A file's whole text, which must be UTF-8. Pipes (`<(...)`, /dev/stdin) are read too. `what` names it in errors.
 * @throws VmsiftError `bad-argument` when it can't be read, is larger than 256 MiB, or isn't UTF-8.
 */
export async function readTextFile(path: string, what: string): Promise<string> {
  const bytes = await readAll(path, what)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new VmsiftError(
      'bad-argument',
      `${what} ${path} is not UTF-8 text; give other bytes with --bytes`,
      {
        detail: { path },
        cause,
      },
    )
  }
}

/**
 * A file's bytes, pipes too. `what` names it in errors.
 * @throws VmsiftError `bad-argument` when it can't be read or is larger than 256 MiB.
 */
export async function readAll(path: string, what: string): Promise<Buffer> {
  const pieces: Buffer[] = []
  let total = 0
  try {
    await using handle = await open(path)
    for (;;) {
      const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(256 * 1024))
      if (bytesRead === 0) break
      total += bytesRead
      if (total > MAX_FILE_BYTES) break
      pieces.push(buffer.subarray(0, bytesRead))
    }
  } catch (cause) {
    throw unreadable(path, what, cause as NodeJS.ErrnoException)
  }
  if (total > MAX_FILE_BYTES)
    throw new VmsiftError('bad-argument', `${what} ${path} is larger than 256 MiB; split it`, {
      detail: { path },
    })
  return Buffer.concat(pieces)
}

export interface RuleFile {
  readonly path: string
  /** Undefined for a file that was named itself; below a folder, its path there without the ending. */
  readonly namespace?: string
}

/**
 * The rule files that `--yara` means: the file itself, or every `.yar` and `.yara` file below a folder, sorted.
 * @throws VmsiftError `bad-argument` when the path can't be read or the folder holds no rule file.
 */
export async function ruleFiles(path: string): Promise<RuleFile[]> {
  let names: string[]
  try {
    if (!(await stat(path)).isDirectory()) return [{ path }]
    names = await readdir(path, { recursive: true })
  } catch (cause) {
    throw unreadable(path, 'the rule file', cause as NodeJS.ErrnoException)
  }
  const files = names
    .filter(name => /\.yara?$/i.test(name))
    .sort()
    .map(name => join(path, name))
  if (files.length === 0)
    throw new VmsiftError('bad-argument', `the folder ${path} holds no .yar or .yara file`, {
      detail: { path },
    })
  return files.map(file => ({ path: file, namespace: namespaceOf(relative(path, file)) }))
}

function namespaceOf(name: string): string {
  return name
    .replace(/\.yara?$/i, '')
    .split(sep)
    .join('/')
}

function unreadable(path: string, what: string, cause: NodeJS.ErrnoException): VmsiftError {
  return new VmsiftError('bad-argument', `cannot read ${what} ${path}: ${reasonOf(cause)}`, {
    detail: { path },
    cause,
  })
}

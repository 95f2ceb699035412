/** Pattern and rule files as the command line names them. */
import { open, readdir, stat } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { VmsiftError } from '../core/errors.js'
import { reasonOf } from '../export/system-errors.js'

const MAX_FILE_BYTES = 256 * 2 ** 20
/** What is asked for at least. */
const FIRST_BYTES = 4096

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
  let bytes = Buffer.alloc(0)
  let total = 0
  try {
    await using handle = await open(path)
    const { size } = await handle.stat()
    for (;;) {
      if (total === bytes.length) {
        // a file is read in one go, and its end seen in the byte behind it; a pipe has no size
        const wanted = total === 0 ? Math.max(size + 1, FIRST_BYTES) : total * 2
        const larger = Buffer.allocUnsafe(Math.min(wanted, MAX_FILE_BYTES + 1))
        bytes.copy(larger)
        bytes = larger
      }
      const { bytesRead } = await handle.read(bytes, total)
      total += bytesRead
      if (bytesRead === 0 || total > MAX_FILE_BYTES) break
    }
  } catch (cause) {
    throw unreadable(path, what, cause as NodeJS.ErrnoException)
  }
  if (total > MAX_FILE_BYTES)
    throw new VmsiftError('bad-argument', `${what} ${path} is larger than 256 MiB; split it`, {
      detail: { path },
    })
  return bytes.subarray(0, total)
}

export interface RuleFile {
  readonly path: string
  /** Undefined for a file that was named itself; below a folder, its path there without the ending. */
  readonly namespace?: string
}

/**
 * The rule files that `--yara` means: the files themselves, or every `.yar` and `.yara` file below a folder, sorted; links are followed. Files of
 * folders have namespaces of their own: what two of them would share gets `~2` behind it.
 * @throws VmsiftError `bad-argument` when a path can't be read or a folder holds no rule file.
 */
export async function ruleFiles(paths: readonly string[]): Promise<RuleFile[]> {
  const files = (await Promise.all(paths.map(filesOf))).flat()
  const taken = new Set<string>()
  return files.map(file => {
    const { namespace } = file
    if (namespace === undefined) return file
    let own = namespace
    for (let count = 2; taken.has(own); count++) own = `${namespace}~${count}`
    taken.add(own)
    return { ...file, namespace: own }
  })
}

async function filesOf(path: string): Promise<RuleFile[]> {
  const names: string[] = []
  try {
    if (!(await stat(path)).isDirectory()) return [{ path }]
    await collectNames(path, '', new Set(), names)
  } catch (cause) {
    throw unreadable(path, 'the rule file', cause as NodeJS.ErrnoException)
  }
  if (names.length === 0)
    throw new VmsiftError('bad-argument', `the folder ${path} holds no .yar or .yara file`, {
      detail: { path },
    })
  return names.sort().map(name => ({ path: join(path, name), namespace: namespaceOf(name) }))
}

/** Names of rule files below `folder`, which is told as `below`; `seen`: folders on the way and before, by device and inode. */
async function collectNames(
  folder: string,
  below: string,
  seen: Set<string>,
  names: string[],
): Promise<void> {
  const { dev, ino } = await stat(folder)
  if (seen.has(`${dev}:${ino}`)) return
  seen.add(`${dev}:${ino}`)
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const name = join(below, entry.name)
    const path = join(folder, entry.name)
    // a link that leads nowhere is told when it is read, if it is named like rules
    const isFolder = entry.isSymbolicLink()
      ? ((await stat(path).catch(() => undefined))?.isDirectory() ?? false)
      : entry.isDirectory()
    if (isFolder) await collectNames(path, name, seen, names)
    else if (/\.yara?$/i.test(name)) names.push(name)
  }
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

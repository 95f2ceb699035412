/** Kernel modules with what they depend on. Debian's packages carry no modules.dep, but each module names its own. */
import { readdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { runCommand } from './command.js'

export interface ModuleFile {
  readonly name: string
  readonly data: Uint8Array
}

/**
 * The named modules and their dependencies, in loading order, decompressed. A name that the package doesn't hold is
 * taken as built in and left out.
 */
export async function collectModules(folder: string, names: readonly string[]): Promise<ModuleFile[]> {
  const paths = new Map<string, string>()
  for (const path of await readdir(folder, { recursive: true })) {
    const match = /^(.+)\.ko(\.xz|\.zst)?$/.exec(basename(path))
    if (match?.[1] !== undefined) paths.set(match[1].replaceAll('-', '_'), join(folder, path))
  }
  const loaded = new Map<string, ModuleFile>()
  const visit = async (name: string): Promise<void> => {
    const path = paths.get(name)
    if (path === undefined || loaded.has(name)) return
    const data = await readModule(path)
    const depends = /(?:^|\0)depends=([^\0]*)\0/.exec(Buffer.from(data).toString('latin1'))?.[1] ?? ''
    for (const other of depends.split(',').filter(Boolean)) await visit(other.replaceAll('-', '_'))
    loaded.set(name, { name, data })
  }
  for (const name of names) await visit(name)
  return [...loaded.values()]
}

async function readModule(path: string): Promise<Uint8Array> {
  const tool = path.endsWith('.xz') ? 'xz' : path.endsWith('.zst') ? 'zstd' : undefined
  if (tool === undefined) return readFile(path)
  const base64 = await runCommand('sh', ['-c', `${tool} -dcq "$1" | base64`, 'sh', path])
  return Buffer.from(base64, 'base64')
}

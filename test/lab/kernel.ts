/** The guest's kernel and busybox, as Debian ships them, cached by version. */
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { labCache, PrivateApt } from './debian.js'

export interface KernelSpec {
  readonly suite: string
  readonly architecture: string
  /** The meta package whose dependency is the kernel, or the kernel package itself. */
  readonly packageName: string
}

export const DEFAULT_KERNEL: KernelSpec = {
  suite: 'bookworm',
  architecture: 'amd64',
  packageName: 'linux-image-cloud-amd64',
}

export interface Kernel {
  /** As `uname -r` prints it. */
  readonly release: string
  readonly packageName: string
  readonly packageVersion: string
  /** Debian source package, for licences. */
  readonly source: string
  readonly vmlinuz: string
  /** `lib/modules/RELEASE`. */
  readonly modules: string
  readonly busybox: string
  readonly busyboxVersion: string
}

/** The cached kernel of this kind, or undefined. Needs no network. */
export async function cachedKernel(spec: KernelSpec = DEFAULT_KERNEL): Promise<Kernel | undefined> {
  try {
    return JSON.parse(await readFile(pointerPath(spec), 'utf8')) as Kernel
  } catch {
    // Never fetched, or the cache was cleared.
    return undefined
  }
}

/**
 * The kernel, fetched from Debian when it is not in the cache (or `refresh` asks for the newest). Safe to call from
 * several processes at a time: each unpacks on its own and the first rename wins.
 * @throws Error when the mirror can't be reached.
 */
export async function fetchKernel(spec: KernelSpec = DEFAULT_KERNEL, refresh = false): Promise<Kernel> {
  const cached = refresh ? undefined : await cachedKernel(spec)
  if (cached !== undefined) return cached
  await using apt = await PrivateApt.open(spec.suite, spec.architecture)
  const depends = (await apt.field(spec.packageName, 'Depends')) ?? ''
  const packageName = /linux-image-[^ ,]+/.exec(depends)?.[0] ?? spec.packageName
  const packageVersion = (await apt.field(packageName, 'Version')) ?? 'unknown'
  const source = (await apt.field(packageName, 'Source')) ?? packageName
  const busyboxVersion = (await apt.field('busybox-static', 'Version')) ?? 'unknown'
  const home = join(
    labCache(),
    'kernels',
    `${packageName}_${packageVersion}_${spec.architecture}`.replace(/[^\w.+~-]/g, '_'),
  )
  await mkdir(join(labCache(), 'kernels'), { recursive: true })
  const fresh = await mkdtemp(join(labCache(), 'kernels', '.new-'))
  try {
    await apt.unpack(packageName, fresh)
    await apt.unpack('busybox-static', join(fresh, 'busybox'))
    await rename(fresh, home)
  } catch (error) {
    await rm(fresh, { recursive: true, force: true })
    // Somebody else has just put the same version there.
    if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY') throw error
  }
  const release = (await readdir(join(home, 'lib', 'modules')))[0]
  if (release === undefined) throw new Error(`${packageName} holds no kernel modules`)
  const kernel: Kernel = {
    release,
    packageName,
    packageVersion,
    source,
    vmlinuz: join(home, 'boot', `vmlinuz-${release}`),
    modules: join(home, 'lib', 'modules', release),
    busybox: join(home, 'busybox', 'bin', 'busybox'),
    busyboxVersion,
  }
  const pointer = pointerPath(spec)
  await writeFile(`${pointer}.${process.pid}`, `${JSON.stringify(kernel, null, 2)}\n`)
  await rename(`${pointer}.${process.pid}`, pointer)
  return kernel
}

function pointerPath(spec: KernelSpec): string {
  return join(labCache(), `kernel-${spec.suite}-${spec.architecture}-${spec.packageName}.json`)
}

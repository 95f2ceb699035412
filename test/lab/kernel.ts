/** The guest's kernel and busybox, as Debian ships them, cached by version. */
import { access, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { labCache, PrivateApt } from './debian.js'
import type { GuestArchitecture } from './machine.js'

export interface KernelSpec {
  readonly suite: string
  readonly architecture: GuestArchitecture
  /** The meta package whose dependency is the kernel, or the kernel package itself. */
  readonly packageName: string
}

/** One of each architecture, of the release whose other packages the lab is made with. */
export const KERNELS: Readonly<Record<GuestArchitecture, KernelSpec>> = {
  amd64: { suite: 'bookworm', architecture: 'amd64', packageName: 'linux-image-cloud-amd64' },
  i386: { suite: 'bookworm', architecture: 'i386', packageName: 'linux-image-686-pae' },
  arm64: { suite: 'bookworm', architecture: 'arm64', packageName: 'linux-image-cloud-arm64' },
}

export const DEFAULT_KERNEL: KernelSpec = KERNELS.amd64

export interface Kernel {
  readonly architecture: GuestArchitecture
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
    const kernel = JSON.parse(await readFile(pointerPath(spec), 'utf8')) as Kernel
    return { ...kernel, architecture: spec.architecture }
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
  // Newer releases keep the kernel and its modules in packages of their own.
  const imageDepends = (await apt.field(packageName, 'Depends')) ?? ''
  const parts = imageDepends.match(/\blinux-(?:binary|modules)-[^ ,]+/g) ?? []
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
    for (const name of [packageName, ...parts]) await apt.unpack(name, fresh)
    await apt.unpack('busybox-static', join(fresh, 'busybox'))
    await rename(fresh, home)
  } catch (error) {
    await rm(fresh, { recursive: true, force: true })
    // Somebody else has just put the same version there.
    if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY') throw error
  }
  const modules = await oneOf(home, 'lib/modules', 'usr/lib/modules')
  const release = (await readdir(modules))[0]
  if (release === undefined) throw new Error(`${packageName} holds no kernel modules`)
  const kernel: Kernel = {
    architecture: spec.architecture,
    release,
    packageName,
    packageVersion,
    source,
    vmlinuz: await oneOf(home, `boot/vmlinuz-${release}`, `usr/lib/modules/${release}/vmlinuz`),
    modules: join(modules, release),
    busybox: await oneOf(home, 'busybox/bin/busybox', 'busybox/usr/bin/busybox'),
    busyboxVersion,
  }
  const pointer = pointerPath(spec)
  await writeFile(`${pointer}.${process.pid}`, `${JSON.stringify(kernel, null, 2)}\n`)
  await rename(`${pointer}.${process.pid}`, pointer)
  return kernel
}

/** The first of these paths that is there: Debian moved its files under /usr. */
async function oneOf(home: string, ...paths: readonly string[]): Promise<string> {
  for (const path of paths) {
    try {
      await access(join(home, path))
      return join(home, path)
    } catch {
      // Another release's place.
    }
  }
  throw new Error(`none of ${paths.join(', ')} is in ${home}`)
}

function pointerPath(spec: KernelSpec): string {
  return join(labCache(), `kernel-${spec.suite}-${spec.architecture}-${spec.packageName}.json`)
}

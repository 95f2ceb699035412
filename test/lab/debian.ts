/** Fetches Debian packages without touching the host's own package state, and unpacks them. */
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { runCommand } from './command.js'

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'

/** Suites that have no archive of security updates of their own. */
const NO_SECURITY = /^sid$|^unstable$|-backports$/

/** Folder of everything the lab downloads: `$VMSIFT_LAB_CACHE` or `~/.cache/vmsift-lab`. */
export function labCache(): string {
  return process.env.VMSIFT_LAB_CACHE ?? join(homedir(), '.cache', 'vmsift-lab')
}

/** A private apt: own sources, lists and status. Remove it with `dispose`. */
export class PrivateApt implements AsyncDisposable {
  readonly #root: string
  readonly #options: readonly string[]

  private constructor(root: string, options: readonly string[]) {
    this.#root = root
    this.#options = options
  }

  /**
   * Makes the folder and fetches the package lists of `suite` for `architecture`.
   * `$VMSIFT_LAB_MIRROR` replaces http://deb.debian.org.
   */
  static async open(suite: string, architecture: string): Promise<PrivateApt> {
    await mkdir(labCache(), { recursive: true })
    const root = await mkdtemp(join(labCache(), 'apt-'))
    for (const dir of ['lists/partial', 'cache/archives/partial'])
      await mkdir(join(root, dir), { recursive: true })
    const mirror = process.env.VMSIFT_LAB_MIRROR ?? 'http://deb.debian.org'
    const flags = `[arch=${architecture} signed-by=${KEYRING}]`
    await writeFile(join(root, 'status'), '')
    const main = `deb ${flags} ${mirror}/debian ${suite} main\n`
    const security = `deb ${flags} ${mirror}/debian-security ${suite}-security main\n`
    const writeSources = (text: string): Promise<void> => writeFile(join(root, 'sources.list'), text)
    const settings = {
      'Dir::State': root,
      'Dir::State::lists': join(root, 'lists'),
      'Dir::State::status': join(root, 'status'),
      'Dir::Cache': join(root, 'cache'),
      'Dir::Etc::sourcelist': join(root, 'sources.list'),
      'Dir::Etc::sourceparts': '/dev/null',
      'Dir::Etc::preferencesparts': '/dev/null',
      'APT::Architecture': architecture,
      'APT::Architectures::': architecture,
      'APT::Sandbox::User': '',
      'Acquire::Languages': 'none',
      'Acquire::Retries': '2',
    }
    const apt = new PrivateApt(
      root,
      Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]),
    )
    try {
      const update = (): Promise<string> => runCommand('apt-get', [...apt.#options, '-qq', 'update'])
      await writeSources(NO_SECURITY.test(suite) ? main : main + security)
      // A mirror in the middle of its own update serves one archive and not the other: the main one alone does.
      await update().catch(() => writeSources(main).then(update))
    } catch (error) {
      await apt[Symbol.asyncDispose]()
      throw error
    }
    return apt
  }

  /** One field of the newest version's record, or undefined. */
  async field(packageName: string, field: string): Promise<string | undefined> {
    const record = await runCommand('apt-cache', [...this.#options, 'show', '--no-all-versions', packageName])
    const line = record.split('\n').find(text => text.startsWith(`${field}: `))
    return line?.slice(field.length + 2)
  }

  /** Downloads a package and unpacks it under `target`. */
  async unpack(packageName: string, target: string): Promise<void> {
    const dir = await mkdtemp(join(this.#root, 'deb-'))
    await runCommand('apt-get', [...this.#options, '-qq', 'download', packageName], { cwd: dir })
    const file = (await readdir(dir)).find(name => name.endsWith('.deb'))
    if (file === undefined) throw new Error(`apt-get download ${packageName} left no package`)
    await runCommand('dpkg-deb', ['-x', join(dir, file), target])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#root, { recursive: true, force: true })
  }
}

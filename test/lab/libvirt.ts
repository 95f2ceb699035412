/** A libvirt daemon of its own, with sockets and configuration in a folder of its own, and a tiny guest in it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { chmod, chown, mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findProgram, runCommand } from './command.js'

const PROGRAMS = { libvirtd: 'libvirt-daemon', virsh: 'libvirt-clients', setpriv: 'util-linux' }
/** root's daemon would be the system's: a session's runs as somebody else. */
const NOBODY = 65_534
const START_MS = 30_000

/** Why it can't be started here; undefined when it can. */
export function libvirtMissing(): string | undefined {
  const missing = Object.entries(PROGRAMS).find(([program]) => findProgram(program) === undefined)
  return missing && `${missing[0]} not found (Debian package: ${missing[1]})`
}

export interface LabLibvirt extends AsyncDisposable {
  /** For `$LIBVIRT_DEFAULT_URI`. */
  readonly uri: string
  virsh(...words: string[]): Promise<string>
  /** Starts a domain of 64 MiB that boots nothing: its firmware says so for ever. */
  createDomain(name: string): Promise<void>
}

export async function startLibvirt(): Promise<LabLibvirt> {
  const dir = await mkdtemp(join(tmpdir(), 'vmsift-libvirt-'))
  await chmod(dir, 0o711)
  const env: Record<string, string> = {}
  for (const name of ['HOME', 'XDG_RUNTIME_DIR', 'XDG_CONFIG_HOME', 'XDG_CACHE_HOME']) {
    const folder = join(dir, name.toLowerCase())
    await mkdir(folder, { mode: 0o700 })
    if (process.getuid?.() === 0) await chown(folder, NOBODY, NOBODY)
    env[name] = folder
  }
  const daemon = startDaemon({ ...process.env, ...env })
  const socket = join(dir, 'xdg_runtime_dir', 'libvirt', 'libvirt-sock')
  const uri = `qemu+unix:///session?socket=${socket}`
  const virsh = (...words: string[]): Promise<string> => runCommand('virsh', ['-c', uri, ...words])
  const stop = async (): Promise<void> => {
    for (const name of (await virsh('list', '--name').catch(() => '')).split('\n').filter(Boolean))
      await virsh('destroy', name).catch(() => '')
    const ended = new Promise(resolve => daemon.once('exit', resolve))
    if (daemon.exitCode === null && daemon.kill('SIGTERM')) await ended
    await rm(dir, { recursive: true, force: true })
  }
  try {
    await waitFor(socket, daemon)
  } catch (error) {
    await stop()
    throw error
  }
  return {
    uri,
    virsh,
    async createDomain(name) {
      const path = join(dir, `${name}.xml`)
      await writeFile(path, domainXml(name))
      await virsh('create', path)
    },
    [Symbol.asyncDispose]: stop,
  }
}

function startDaemon(env: NodeJS.ProcessEnv): ChildProcess {
  const who = process.getuid?.() === 0 ? [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'] : []
  return spawn('setpriv', ['--pdeathsig', 'TERM', ...who, 'libvirtd'], { env, stdio: 'ignore' })
}

async function waitFor(socket: string, daemon: ChildProcess): Promise<void> {
  for (const started = Date.now(); Date.now() - started < START_MS; await sleep(50)) {
    if (daemon.exitCode !== null) throw new Error(`libvirtd ended with ${daemon.exitCode}`)
    if (await stat(socket).catch(() => undefined)) return
  }
  throw new Error('libvirtd did not come up')
}

function domainXml(name: string): string {
  return `<domain type='qemu'><name>${name}</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type></os>
<devices><emulator>${findProgram('qemu-system-x86_64')}</emulator>
<controller type='usb' model='none'/><memballoon model='none'/></devices></domain>`
}

/**
 * libvirt (libvirt.so.0, libvirt-qemu.so.0): domains of the local daemon, and QEMU's monitor through it. Handles are addresses, as
 * numbers. See libvirt-domain.h, libvirt-qemu.h, virterror.h.
 */
import { isMainThread } from 'node:worker_threads'
import { VmsiftError } from '../core/errors.js'
import { type Koffi, tryKoffi, tryLibrary } from './koffi.js'

const LIST_ACTIVE = 1
const UUID_TEXT_BYTES = 37
/** `VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP`. */
const HUMAN = 1
const MAX_DOMAINS = 65_536

/** A domain that runs, as plain data. */
export interface LibvirtDomain {
  readonly name: string
  readonly uuid: string
}

/** A connection to a libvirt daemon. */
export interface LibvirtConnection extends Disposable {
  /** Domains that run. */
  domains(): LibvirtDomain[]
  /** A handle of a running domain, to be freed; undefined when there is none of this name. */
  find(name: string): DomainHandle | undefined
}

export interface DomainHandle extends Disposable {
  readonly domain: LibvirtDomain
  /** Sends a monitor command, a line of QMP or of the human monitor, without blocking this thread. */
  command(line: string, human: boolean): Promise<string>
  /** The same, blocking. */
  commandNow(line: string, human: boolean): string
  /** Whether the domain still runs. */
  isActive(): boolean
}

type Func = ReturnType<ReturnType<Koffi['load']>['func']>

interface Calls {
  readonly koffi: Koffi
  readonly open: Func
  readonly close: Func
  readonly listAll: Func
  readonly byName: Func
  readonly nameOf: Func
  readonly uuidOf: Func
  readonly isActive: Func
  readonly freeDomain: Func
  readonly monitorCommand: Func
  readonly lastError: Func
  readonly free: Func
  readonly strlen: Func
}

/** Calls in other threads that have not come back: libvirt waits for a QEMU that hangs for ever. */
let inFlight = 0

let bound: { readonly calls: Calls | undefined } | undefined

/** Whether libvirt's libraries are there. */
export function hasLibvirt(): boolean {
  bound ??= { calls: bind() }
  return bound.calls !== undefined
}

/**
 * Connects to the daemon that `uri` names; default: `$LIBVIRT_DEFAULT_URI`, else the system's for root and the session's for others.
 * @throws VmsiftError `ffi-unavailable` without the libraries, `target-unreadable` with libvirt's own words.
 */
export function openLibvirt(uri?: string): LibvirtConnection {
  bound ??= { calls: bind() }
  const { calls } = bound
  if (calls === undefined)
    throw new VmsiftError(
      'ffi-unavailable',
      'libvirt.so.0 and libvirt-qemu.so.0 are not to be found; install libvirt (Debian: libvirt0), or name the guest by qemu:PID',
    )
  const connection = Number(calls.open(uri ?? null))
  if (connection === 0)
    throw new VmsiftError('target-unreadable', `can't connect to libvirt: ${String(calls.lastError())}`)
  return new Connection(calls, connection)
}

function bind(): Calls | undefined {
  const koffi = tryKoffi()
  const libvirt = tryLibrary(['libvirt.so.0'])
  const qemu = tryLibrary(['libvirt-qemu.so.0'])
  const libc = tryLibrary(['libc.so.6', 'libc.so', null])
  if (koffi === undefined || libvirt === undefined || qemu === undefined || libc === undefined)
    return undefined
  // libvirt prints errors on stderr unless it has a function to call; free(NULL) does nothing
  const free = Number(libc.func('uint64 dlsym(void *library, const char *name)')(null, 'free'))
  libvirt.func('void virSetErrorFunc(void *data, uint64 handler)')(null, free)
  if (Number(libvirt.func('int virInitialize()')()) < 0) return undefined
  const exitNow = libc.func('void _exit(int code)')
  // an orderly end waits for those threads
  if (isMainThread)
    process.on('exit', code => {
      if (inFlight > 0) exitNow(code)
    })
  return {
    koffi,
    open: libvirt.func('uint64 virConnectOpen(const char *uri)'),
    close: libvirt.func('int virConnectClose(uint64 connection)'),
    listAll: libvirt.func('int virConnectListAllDomains(uint64 connection, void *domains, uint32 flags)'),
    byName: libvirt.func('uint64 virDomainLookupByName(uint64 connection, const char *name)'),
    nameOf: libvirt.func('const char *virDomainGetName(uint64 domain)'),
    uuidOf: libvirt.func('int virDomainGetUUIDString(uint64 domain, void *text)'),
    isActive: libvirt.func('int virDomainIsActive(uint64 domain)'),
    freeDomain: libvirt.func('int virDomainFree(uint64 domain)'),
    monitorCommand: qemu.func(
      'int virDomainQemuMonitorCommand(uint64 domain, const char *command, void *result, uint32 flags)',
    ),
    lastError: libvirt.func('const char *virGetLastErrorMessage()'),
    free: libc.func('void free(uint64 pointer)'),
    strlen: libc.func('size_t strlen(uint64 text)'),
  }
}

class Connection implements LibvirtConnection {
  readonly #calls: Calls
  #pointer: number

  constructor(calls: Calls, pointer: number) {
    this.#calls = calls
    this.#pointer = pointer
  }

  domains(): LibvirtDomain[] {
    const { koffi, listAll, free } = this.#calls
    const list = Buffer.alloc(8)
    const count = Number(listAll(this.#pointer, list, LIST_ACTIVE))
    if (count < 0) throw failure(this.#calls, 'listing domains')
    const pointer = Number(list.readBigUInt64LE())
    try {
      const handles =
        count === 0 ? [] : new BigUint64Array(koffi.view(pointer, Math.min(count, MAX_DOMAINS) * 8))
      return Array.from(handles, handle => {
        using domain = new Domain(this.#calls, Number(handle))
        return domain.domain
      })
    } finally {
      free(pointer)
    }
  }

  find(name: string): DomainHandle | undefined {
    const pointer = Number(this.#calls.byName(this.#pointer, name))
    if (pointer === 0) return undefined
    const domain = new Domain(this.#calls, pointer)
    if (Number(this.#calls.isActive(pointer)) === 1) return domain
    domain[Symbol.dispose]()
    return undefined
  }

  [Symbol.dispose](): void {
    if (this.#pointer !== 0) this.#calls.close(this.#pointer)
    this.#pointer = 0
  }
}

class Domain implements DomainHandle {
  readonly domain: LibvirtDomain
  readonly #calls: Calls
  #pointer: number
  /** A call in another thread still uses the handle. */
  #busy = 0
  #freed = false

  constructor(calls: Calls, pointer: number) {
    this.#calls = calls
    this.#pointer = pointer
    const uuid = Buffer.alloc(UUID_TEXT_BYTES)
    calls.uuidOf(pointer, uuid)
    this.domain = {
      name: String(calls.nameOf(pointer)),
      uuid: uuid.toString('latin1', 0, UUID_TEXT_BYTES - 1),
    }
  }

  command(line: string, human: boolean): Promise<string> {
    const result = Buffer.alloc(8)
    this.#busy++
    inFlight++
    return new Promise((resolve, reject) => {
      this.#calls.monitorCommand.async(
        this.#pointer,
        line,
        result,
        human ? HUMAN : 0,
        (error: Error | null, code: number) => {
          this.#busy--
          inFlight--
          try {
            if (error !== null) throw error
            resolve(this.#answer(code, result))
          } catch (failed) {
            reject(failed)
          } finally {
            if (this.#freed) this.#free()
          }
        },
      )
    })
  }

  commandNow(line: string, human: boolean): string {
    const result = Buffer.alloc(8)
    return this.#answer(
      Number(this.#calls.monitorCommand(this.#pointer, line, result, human ? HUMAN : 0)),
      result,
    )
  }

  isActive(): boolean {
    return Number(this.#calls.isActive(this.#pointer)) === 1
  }

  #answer(code: number, result: Buffer): string {
    const { koffi, free, strlen } = this.#calls
    // the last error is the calling thread's: after a call in another thread it is not told here
    if (code < 0) throw failure(this.#calls, 'a monitor command')
    const pointer = Number(result.readBigUInt64LE())
    if (pointer === 0) return ''
    try {
      return Buffer.from(koffi.view(pointer, Number(strlen(pointer)))).toString()
    } finally {
      free(pointer)
    }
  }

  #free(): void {
    if (this.#busy > 0 || this.#pointer === 0) return
    this.#calls.freeDomain(this.#pointer)
    this.#pointer = 0
  }

  [Symbol.dispose](): void {
    this.#freed = true
    this.#free()
  }
}

function failure({ lastError }: Calls, what: string): VmsiftError {
  const words = String(lastError() ?? '')
  const why = words === '' || words === 'no error' ? 'the domain may have ended' : words
  return new VmsiftError('monitor-failed', `libvirt: ${what} failed: ${why}`)
}

/** Guests with each kind of memory on each kind of machine; `npm run test:live` boots them. */
import { statSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { clipRuns, totalBytes } from '../../../src/core/runs.js'
import { isLive, openControl, openLinuxGuest, openTarget, readInto } from '../../../src/index.js'
import { labAvailable } from '../../lab/available.js'
import { bootLabGuest, type LabGuest, type MemoryBackend } from '../../lab/guest.js'
import { allowHugePages, hugePagesInUse, mountHugePages } from '../../lab/huge-pages.js'
import { qemuRegisterFields } from '../../lab/register-fields.js'
import { collectMarkers, expectMarkers, wholeMarkers } from './markers.js'
import { residentBytes } from './resident.js'

const MIB = 2 ** 20
const GIB = 2 ** 30
const BIG_MB = 5120
/** Symbols of the kernel that are translated, spread over all it has. */
const SYMBOLS = 2500

const lab = await labAvailable()
const reason =
  process.env.VMSIFT_LIVE === '1' ? (lab.ok ? undefined : lab.reason) : 'npm run test:live boots these guests'

/** How each is read. */
const ACCESS: Readonly<Record<string, readonly [access: string, mapped: boolean]>> = {
  anonymous: ['process', false],
  memfd: ['shared', true],
  'huge-memfd': ['shared', true],
  file: ['shared', false],
}
/** Under TCG nothing tells microvm's kernel how fast its clock is. */
const MICROVM = {
  machine: 'microvm,pcie=on,pit=on,pic=on,rtc=on',
  cmdline: 'tsc_early_khz=1000000 lpj=4000000',
}
const MACHINES = [{ machine: 'pc', cmdline: '' }, { machine: 'q35', cmdline: '' }, MICROVM]
const KINDS: readonly MemoryBackend[] = ['anonymous', 'memfd', 'file']

interface Case {
  readonly backend: MemoryBackend
  /** The file lies on hugetlbfs. */
  readonly huge?: true
  readonly machine: string
  readonly cmdline: string
  readonly memoryMb: number
}

const CASES: readonly Case[] = [
  ...KINDS.flatMap(backend => MACHINES.map(machine => ({ backend, ...machine, memoryMb: 256 }))),
  // a microvm has no hole below 4 GiB that differs: two machines tell
  ...KINDS.flatMap(backend =>
    MACHINES.slice(0, 2).map(machine => ({ backend, ...machine, memoryMb: BIG_MB })),
  ),
  { backend: 'huge-memfd', machine: 'q35', cmdline: '', memoryMb: 256 },
  { backend: 'file', huge: true, machine: 'pc', cmdline: '', memoryMb: 256 },
]

/** Both leave room for two guests: they come one after the other. */
const hugePages = reason === undefined ? allowHugePages(512 * MIB) : { missing: reason }
const hugeFiles = 'missing' in hugePages ? hugePages : mountHugePages()

afterAll(() => {
  if (!('missing' in hugeFiles)) hugeFiles[Symbol.dispose]()
  if (!('missing' in hugePages)) hugePages[Symbol.dispose]()
})

for (const { backend, huge = false, machine, cmdline, memoryMb } of CASES) {
  const needed = huge ? hugeFiles : backend === 'huge-memfd' ? hugePages : undefined
  const missing = reason ?? (needed !== undefined && 'missing' in needed ? needed.missing : undefined)
  const title = `${machine.split(',')[0]} with ${memoryMb} MiB, ${backend}${huge ? ' on hugetlbfs' : ''}`
  describe.skipIf(missing !== undefined)(
    `${title}${missing === undefined ? '' : ` (skipped: ${missing})`}`,
    () => {
      const memoryFolder = huge && !('missing' in hugeFiles) ? hugeFiles.folder : undefined
      let guest: LabGuest
      let target: string
      /** The kernel's symbols: read while the guest runs. */
      let kallsyms: string

      beforeAll(async () => {
        // memory that is cleared as it is freed would all be touched at boot
        const sparse = memoryMb === BIG_MB ? 'init_on_free=0' : ''
        const more = `transparent_hugepage=never ${sparse} ${cmdline}`
        guest = await bootLabGuest({
          ...{ memoryMb, machine, backend, cmdline: more, busy: true, accelerator: 'tcg' },
          ...(memoryFolder && { memoryFolder }),
        })
        target = `qemu:${guest.name}`
        kallsyms = await guest.kallsyms()
      })
      afterAll(async () => {
        await guest?.[Symbol.asyncDispose]()
      })

      it('is read the way that is best for it', async () => {
        using opened = await openTarget(target)
        if (!isLive(opened)) throw new Error('it is live')
        expect([opened.access, opened.mapped]).toEqual(ACCESS[backend])
        expect(opened.warnings).toEqual([])
        // firmware ends at 4 GiB, where memory goes on
        const ram = [...clipRuns(opened.runs, 0, 3.5 * GIB), ...clipRuns(opened.runs, 4 * GIB, 2 ** 52)]
        expect(totalBytes(ram)).toBe(memoryMb * MIB)
      })

      it.each([false, true])('has each marker where its own pagemap says, paused: %s', async pause => {
        const found = await collectMarkers(target, guest, { pause })
        expectMarkers(guest, found)
        expect(found.summary).toMatchObject({ complete: true, bytesFailed: 0, bytesUnread: 0 })
        expect(found.matches.every(({ stable }) => stable === true)).toBe(true)
        if (pause) expect(found.summary.consistency?.changedPages).toBe(0)
        if (memoryMb === BIG_MB) expect(found.matches.some(({ gpa }) => gpa >= 4 * GIB)).toBe(true)
      })

      it('translates as QEMU does: the kernel, and the process that runs', async () => {
        const truth = await guest.pause()
        try {
          using opened = await openTarget(target)
          using system = await openLinuxGuest(opened)
          const { control } = await guest.registers()
          const cr3 = Number((control['cr3'] ?? 0n) & ~0xfffn)
          const [pid] = system.dtbToPids(cr3)
          expect(truth.processes.find(process => process.pid === pid)?.commandLine).toContain('busy')
          const lines = kallsyms.trim().split('\n')
          const every = Math.max(1, Math.floor(lines.length / SYMBOLS))
          const kernel = lines
            .filter((_line, index) => index % every === 0)
            .map(line => BigInt(`0x${line.split(' ')[0]}`))
            // per-CPU variables are offsets
            .filter(address => address >= 1n << 63n)
          const own = truth.pages
            .filter(run => run.pid === pid && !run.swapped)
            .flatMap(({ page, count }) =>
              Array.from({ length: count }, (_, i) => BigInt(page + i) * 4096n + 5n),
            )
          expect(kernel.length).toBeGreaterThan(2000)
          expect(own.length).toBeGreaterThan(30)
          for (const [space, addresses] of [
            [system.kernelSpace, kernel],
            [system.space({ kind: 'dtb', dtb: cr3 }), own],
          ] as const) {
            const theirs = await guest.translate(addresses)
            const ours = addresses.map(gva => {
              const place = space.translate(gva)
              return place.kind === 'mapped' ? { gva, gpa: place.gpa } : { gva }
            })
            expect(ours).toEqual(theirs)
            expect(theirs.filter(({ gpa }) => gpa !== undefined).length).toBeGreaterThan(
              addresses.length * 0.9,
            )
          }
        } finally {
          await guest.resume()
        }
      })

      it('sees inside what was written outside', async () => {
        using opened = await openTarget(target, { allowWrite: true })
        const { memory } = opened
        const planted = guest.truth.markers.find(({ name }) => name === 'heap')
        const gpa = planted?.segments[0]?.gpa
        if (planted === undefined || gpa === undefined || !('write' in memory)) throw new Error('no marker')
        const write = memory.write as (gpa: number, bytes: Uint8Array) => void
        const changed = `written-${memoryMb}-${planted.text}`.slice(0, planted.text.length)
        write.call(memory, gpa, Buffer.from(changed))
        const address = planted.parts[0]?.gva as bigint
        const look = `dd if=/proc/${planted.pid}/mem bs=1 skip=$((${address})) count=${changed.length} 2>/dev/null; echo`
        expect(await guest.shell(look)).toBe(changed)
        write.call(memory, gpa, Buffer.from(planted.text))
        expect(await guest.shell(look)).toBe(planted.text)
      })

      it('has the registers that QEMU prints', async () => {
        await using control = await openControl(target)
        await using _pause = await control.pause()
        const cpus = await control.registers()
        expect(cpus.map(({ registers }) => ({ ...registers }))).toEqual(
          qemuRegisterFields(await guest.qmp.human('info registers -a')),
        )
      })

      it('is the same, byte for byte, as what QEMU writes', async () => {
        await guest.pause()
        try {
          using opened = await openTarget(target)
          // ends of runs, and what lies around markers
          const places = [
            ...opened.runs.flatMap(({ gpa, length }) => [gpa, gpa + Math.max(0, length - MIB)]),
            ...wholeMarkers(guest).map(({ segments }) => Math.max(0, (segments[0]?.gpa ?? 0) - 100)),
          ]
          for (const gpa of places) {
            const run = opened.runs.find(other => gpa >= other.gpa && gpa < other.gpa + other.length)
            const bytes = new Uint8Array(Math.min(MIB, run === undefined ? 0 : run.gpa + run.length - gpa))
            expect(readInto(opened.memory, gpa, bytes)).toEqual([])
            expect(Buffer.compare(bytes, await guest.saved(gpa, bytes.length))).toBe(0)
          }
        } finally {
          await guest.resume()
        }
      })

      it('takes no more of the host for having been scanned', async () => {
        const used = async (): Promise<number> =>
          needed !== undefined
            ? hugePagesInUse() * 2 * MIB
            : backend === 'file'
              ? statSync(guest.memoryPath).blocks * 512
              : await residentBytes(guest.pid)
        const before = await used()
        await collectMarkers(target, guest)
        expect((await used()) - before).toBeLessThan(32 * MIB)
        if (memoryMb === BIG_MB) expect(await used()).toBeLessThan(2 * GIB)
      })
    },
  )
}

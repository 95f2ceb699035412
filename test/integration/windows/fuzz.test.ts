/**
 * Guests in which words all over were changed at random, for a time that is fixed beforehand: whatever stands there, every list ends in
 * time, and says in words what is wrong. `VMSIFT_FUZZ_SECONDS` gives it longer, `VMSIFT_FUZZ_SEED` repeats a run.
 */
import { expect, it } from 'vitest'
import { openWindowsSpace } from '../../../src/coordinator/guest.js'
import { detectGuest } from '../../../src/os/detect.js'
import { Problems } from '../../../src/os/problem.js'
import { crossCheckWindowsProcesses } from '../../../src/os/windows/crosscheck.js'
import { windowsHandles } from '../../../src/os/windows/handles.js'
import { windowsMaps } from '../../../src/os/windows/maps.js'
import { crossCheckWindowsModules } from '../../../src/os/windows/module-crosscheck.js'
import { pageFileNames } from '../../../src/os/windows/page-files.js'
import { Peb } from '../../../src/os/windows/peb.js'
import { windowsProcesses } from '../../../src/os/windows/processes.js'
import { windowsThreads } from '../../../src/os/windows/threads.js'
import { seeded } from '../../images/runs.js'
import { buildWindowsGuest, GUEST_NAMES, type WindowsGuest } from '../../images/windows/guest.js'

const SECONDS = Number(process.env['VMSIFT_FUZZ_SECONDS'] ?? 5)
const SEED = Number(process.env['VMSIFT_FUZZ_SEED'] ?? 1)
/** One guest's lists, all of them; machines under load are slow. */
const MOST_MS = 30_000

/** Puts words where others were: random ones, and such as mean something elsewhere. */
function spoil({ memory }: WindowsGuest, seed: number): void {
  const next = seeded(seed)
  const pages = memory
    .contents()
    .flatMap(({ gpa, bytes }) =>
      Array.from({ length: bytes.length / 4096 }, (_, i) => memory.page(gpa + i * 4096)),
    )
  const count = 1 + (next() % 3000)
  for (let i = 0; i < count; i++) {
    const page = pages[next() % pages.length] as Buffer
    const from = pages[next() % pages.length] as Buffer
    const at = (next() % 1024) * 4
    if (next() % 3 === 0) page.writeUInt32LE(next(), at)
    else from.copy(page, at & ~7, (next() % 512) * 8, (next() % 512) * 8 + 8)
  }
}

function everything(guest: WindowsGuest): void {
  const found = detectGuest(guest.memory)
  if (found?.family !== 'windows') return
  const { kernel } = found
  const open = (dtb: number) => openWindowsSpace(guest.memory, kernel, dtb)
  const { items } = windowsProcesses(kernel, open)
  crossCheckWindowsProcesses(kernel, guest.memory, open(kernel.dtb), open)
  crossCheckWindowsModules(kernel, guest.memory, open(kernel.dtb))
  pageFileNames(kernel, items)
  for (const { address, peb, dtb } of items.slice(0, 20)) {
    windowsMaps(kernel, address)
    windowsHandles(kernel, address)
    windowsThreads(kernel, address)
    if (peb !== undefined && dtb !== undefined)
      new Peb(open(dtb), peb, kernel.memory.pointerBytes).images(new Problems())
  }
}

it(`no spoilt guest makes a list throw, or take long (${SECONDS} s)`, {
  timeout: (SECONDS + 60) * 1000,
}, () => {
  const end = performance.now() + SECONDS * 1000
  for (let seed = SEED; performance.now() < end; seed++) {
    const guest = buildWindowsGuest(GUEST_NAMES[seed % GUEST_NAMES.length] ?? '10-19041-x64')
    spoil(guest, seed)
    const started = performance.now()
    expect(() => everything(guest), `VMSIFT_FUZZ_SEED=${seed}`).not.toThrow()
    expect(performance.now() - started, `VMSIFT_FUZZ_SEED=${seed}`).toBeLessThan(MOST_MS)
  }
})

/** Processes, threads and mappings against the guest's /proc. */
import { expect, it } from 'vitest'
import { crossCheckProcesses } from '../../../src/os/linux/crosscheck.js'
import { environment } from '../../../src/os/linux/environment.js'
import { maps } from '../../../src/os/linux/maps.js'
import { type LinuxProcess, processes } from '../../../src/os/linux/processes.js'
import { threads } from '../../../src/os/linux/threads.js'
import { describeDump, isWitness, type ToldProcess, useDump, withoutLayouts } from './dump.js'

const STATES: Readonly<Record<string, string>> = {
  R: 'running',
  S: 'sleeping',
  D: 'disk-sleep',
  T: 'stopped',
  t: 'traced',
  Z: 'zombie',
  X: 'dead',
  P: 'parked',
  I: 'idle',
}

/** /proc shows a kernel thread's whole name, and a worker's with its work queue behind it; in memory stand 15 bytes. */
function sameName(told: ToldProcess, name = ''): boolean {
  return told.kernelThread ? name !== '' && told.name.startsWith(name) : told.name === name
}

describeDump('processes', () => {
  const dump = useDump()
  const pairs = (): [ToldProcess, LinuxProcess | undefined][] =>
    dump().truth.processes.map(told => [told, dump().found.get(told.pid)])

  it('lists exactly the processes that /proc has, without any problem', () => {
    const { guest, truth } = dump()
    const { items, problems } = processes(guest.kernel, guest.memory)
    expect(problems).toEqual([])
    expect(items.map(process => process.pid).sort((a, b) => a - b)).toEqual(
      truth.processes.map(process => process.pid).sort((a, b) => a - b),
    )
  })

  it('tells parent, name, owner, kernel threads and the number of threads as /proc does', () => {
    for (const [told, found] of pairs()) {
      expect(sameName(told, found?.name), `${told.name} != ${found?.name}`).toBe(true)
      expect({ ...found }).toMatchObject({
        pid: told.pid,
        ppid: told.ppid,
        uid: told.uid,
        euid: told.uids[1],
        gid: told.gids[0],
        threads: told.threads,
        kernelThread: told.kernelThread,
      })
      const known = found?.state !== undefined || withoutLayouts(dump().truth) === undefined
      // it wakes and sleeps again between what it tells and the stop
      const allowed = told.name === 'lab-ticker' ? ['running', 'sleeping'] : [STATES[told.state]]
      if (known && !told.kernelThread && !isWitness(told)) expect(allowed, told.name).toContain(found?.state)
    }
  })

  it('tells when each was started', () => {
    for (const [told, found] of pairs())
      expect(Math.floor((found?.startTime?.sinceBoot ?? 0) * 100 + 1e-6), told.name).toBe(told.startTicks)
  })

  it('tells the pids of containers', () => {
    for (const [told, found] of pairs()) expect(found?.namespacePids, told.name).toEqual(told.nsPids)
  })

  it('reads command lines and environments', () => {
    const { guest } = dump()
    for (const [told, found] of pairs()) {
      // threads that outlive their leader keep its memory, where /proc doesn't look
      if (told.state === 'Z') continue
      const line = found?.commandLine
      expect(line?.kind === 'read' ? line.arguments : [], told.name).toEqual(told.commandLine)
      if (found?.mmAddress === undefined || found.dtb === undefined) continue
      const variables = environment(guest.kernel, found.mmAddress, guest.openSpace(found.dtb))
      expect(variables.kind === 'read' ? variables.variables : [], told.name).toEqual(told.environment)
    }
  })

  it('lists threads with their names', () => {
    const { guest } = dump()
    for (const [told, found] of pairs()) {
      const list = threads(guest.kernel, found?.address ?? 0n)
      expect(list.problems).toEqual([])
      expect(list.items.map(thread => thread.tid).sort((a, b) => a - b)).toEqual(
        told.threadList.map(thread => thread.tid).sort((a, b) => a - b),
      )
      if (told.kernelThread) continue
      for (const { tid, name } of told.threadList)
        expect(list.items.find(thread => thread.tid === tid)?.name).toBe(name)
    }
  })

  it('lists the mappings that /proc/PID/maps prints', () => {
    const { guest } = dump()
    let compared = 0
    for (const [told, found] of pairs()) {
      if (told.state === 'Z') continue
      const { items, problems } = maps(guest.kernel, found?.mmAddress)
      expect(problems).toEqual([])
      const lines = items.map(
        map =>
          `${map.start.toString(16)}-${map.end.toString(16)} ${map.flags} ${map.offset} ${map.device ?? '00:00'} ${map.inode ?? 0} ${map.path}`,
      )
      const wanted = told.maps
        .filter(map => map.path !== '[vsyscall]')
        .map(
          map =>
            `${map.start.slice(2)}-${map.end.slice(2)} ${map.flags} ${map.offset} ${map.device} ${map.inode} ${map.path}`,
        )
      expect(lines, `${told.pid} ${told.name}`).toEqual(wanted)
      compared += lines.length
    }
    expect(compared).toBeGreaterThan(200)
  })

  it('finds every process in the list and in the table of pids, and none hidden', () => {
    const { guest, truth } = dump()
    const { items, available } = crossCheckProcesses(guest.kernel, guest.memory)
    expect(available).toEqual({ taskList: true, pidTable: true, scan: true })
    expect(items.filter(item => item.verdict === 'hidden')).toEqual([])
    const listed = items.filter(item => item.verdict === 'listed')
    expect(listed.length).toBe(truth.processes.length)
    expect(listed.filter(item => !item.sources.scan).map(item => item.process.name)).toEqual([])
  })
})

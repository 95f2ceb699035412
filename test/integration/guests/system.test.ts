/** Open files, sockets, mounts and the kernel log against the guest's /proc. */
import { expect, it } from 'vitest'
import { kernelLog } from '../../../src/os/linux/dmesg.js'
import { openFiles } from '../../../src/os/linux/files.js'
import { checkIntegrity } from '../../../src/os/linux/integrity.js'
import { mounts } from '../../../src/os/linux/mounts.js'
import { sockets } from '../../../src/os/linux/sockets.js'
import { describeDump, isWitness, useDump, withoutLayouts } from './dump.js'

/** include/net/tcp_states.h */
const TCP_STATES = [
  '',
  'ESTABLISHED',
  'SYN_SENT',
  'SYN_RECV',
  'FIN_WAIT1',
  'FIN_WAIT2',
  'TIME_WAIT',
  'CLOSE',
  'CLOSE_WAIT',
  'LAST_ACK',
  'LISTEN',
]

describeDump('files, sockets, mounts and log', () => {
  const dump = useDump()

  it('lists open files with position and flags', () => {
    const { guest, truth, found } = dump()
    const pathsOnly = withoutLayouts(truth) !== undefined
    let compared = 0
    for (const told of truth.processes) {
      if (isWitness(told)) continue
      const { items, problems } = openFiles(guest.kernel, found.get(told.pid)?.address ?? 0n)
      expect(problems).toEqual([])
      const wanted = told.files.map(({ fd, target, position, flags }) => ({ fd, target, position, flags }))
      const ours = items.map(({ fd, path, position, flags }) => ({ fd, target: path, position, flags }))
      const paths = (list: typeof wanted | typeof ours): string[] =>
        list.map(file => `${file.fd} ${file.target}`)
      expect(paths(ours), `${told.pid} ${told.name}`).toEqual(paths(wanted))
      compared += items.length
      if (pathsOnly) continue
      expect(ours, `${told.pid} ${told.name}`).toEqual(wanted)
      for (const { fd, inode } of told.files)
        if (inode !== undefined) expect(items.find(file => file.fd === fd)?.inode).toBe(inode)
    }
    expect(compared).toBeGreaterThan(50)
  })

  it('lists sockets with their addresses, states and owners', ({ skip }) => {
    const { guest, truth, found } = dump()
    const reason = withoutLayouts(truth)
    if (reason !== undefined) skip(reason)
    const { items, problems } = sockets(guest.kernel, found.values())
    expect(problems).toEqual([])
    const kinds = new Set(truth.sockets.map(socket => socket.protocol))
    const ours = items.filter(item => kinds.has(item.kind) && item.inode !== 0)
    expect(ours.map(item => `${item.kind} ${item.inode}`).sort()).toEqual(
      truth.sockets.map(socket => `${socket.protocol} ${socket.inode}`).sort(),
    )
    for (const told of truth.sockets) {
      const item = ours.find(other => other.inode === told.inode)
      expect(item?.owners, told.protocol).toEqual(told.owners)
      if (told.protocol === 'unix') expect(item?.path, String(told.inode)).toBe(told.path)
      else {
        expect(item?.local).toEqual(told.local)
        expect(item?.state).toBe(TCP_STATES[told.state])
        expect(item?.uid).toBe(told.uid)
        if (told.remote?.port !== 0) expect(item?.remote).toEqual(told.remote)
      }
    }
  })

  it('lists the mounts of every namespace', ({ skip }) => {
    const { guest, truth, found } = dump()
    const reason = withoutLayouts(truth)
    if (reason !== undefined) skip(reason)
    for (const [namespace, told] of Object.entries(truth.mounts)) {
      const inside = truth.processes.find(process => process.namespaces.includes(namespace))
      const { items, problems } = mounts(guest.kernel, found.get(inside?.pid ?? -1)?.address ?? 0n)
      expect(problems).toEqual([])
      const line = (m: object): string => JSON.stringify(m)
      expect(
        items
          .map(m =>
            line({
              id: m.id,
              parent: m.parentId,
              device: `${m.major}:${m.minor}`,
              root: m.root,
              path: m.mountPoint,
              options: m.options,
              type: m.type,
              source: m.source,
            }),
          )
          .sort(),
        namespace,
      ).toEqual(
        told
          .map(({ superOptions: _, ...m }) =>
            line({
              id: m.id,
              parent: m.parent,
              device: m.device,
              root: m.root,
              path: m.path,
              options: m.options,
              type: m.type,
              source: m.source,
            }),
          )
          .sort(),
      )
    }
  })

  it('reads the kernel log', ({ skip }) => {
    const { guest, truth } = dump()
    const reason = withoutLayouts(truth)
    if (reason !== undefined) skip(reason)
    const { items, problems } = kernelLog(guest.kernel, undefined, guest.memory)
    expect(problems).toEqual([])
    const escaped = (text: string): string =>
      text.replace(/[^\x20-\x7e]|\\/g, byte => `\\x${byte.charCodeAt(0).toString(16).padStart(2, '0')}`)
    expect(
      items.map(
        item =>
          `${item.facility * 8 + item.level} ${item.sequence} ${Math.round(item.seconds * 1e6)} ${escaped(item.text)}`,
      ),
    ).toEqual(truth.kernelLog.map(m => `${m.priority} ${m.sequence} ${m.microseconds} ${m.text}`))
  })

  it('finds nothing in the tables of a clean kernel that leads outside it', () => {
    const { guest } = dump()
    const { items, checked } = checkIntegrity(guest.kernel, guest.memory)
    expect(items).toEqual([])
    expect(checked.size).toBeGreaterThan(0)
  })
})

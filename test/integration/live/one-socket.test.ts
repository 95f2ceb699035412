/** A user who may not look into QEMU, and has one QMP socket: it serves memory and control in turns. */
import { chmodSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseLines, runShell } from '../../cli/run-cli.js'
import { type BareQemu, noBareQemu, startBareQemu } from '../../lab/bare-qemu.js'
import { findProgram } from '../../lab/command.js'

const AS_NOBODY = 'setpriv --reuid 65534 --regid 65534 --clear-groups'
const missing =
  noBareQemu() ??
  (process.getuid?.() !== 0 ? 'needs root, to become nobody' : undefined) ??
  (findProgram('setpriv') === undefined ? 'setpriv not found (Debian package: util-linux)' : undefined)

describe.skipIf(missing !== undefined)(
  `a single QMP socket${missing ? ` (skipped: ${missing})` : ''}`,
  () => {
    let guest: BareQemu
    const told: string[] = []

    beforeAll(async () => {
      guest = await startBareQemu()
      // the test's own socket stays closed to others
      chmodSync(guest.folder, 0o711)
      chmodSync(guest.qmpPath, 0o777)
      guest.monitor.onEvent(({ event }) => told.push(event))
    })
    afterAll(async () => {
      await guest?.[Symbol.asyncDispose]()
    })

    const run = (...words: string[]) => runShell(`${AS_NOBODY} "$@"`, ...words)

    it('serves a scan that holds the guest still, and lets it run again', async () => {
      told.length = 0
      const target = `qemu:${guest.qmpPath}`
      const { code, stdout, stderr } = await run('scan', target, '--text', 'SeaBIOS', '--pause', '--json')
      expect({ code, stderr }).toMatchObject({
        code: 0,
        stderr: expect.stringContaining("through QEMU's monitor"),
      })
      expect(parseLines(stdout).at(-1)).toMatchObject({
        complete: true,
        bytesFailed: 0,
        consistency: { changedPages: 0 },
      })
      expect(told).toEqual(['STOP', 'RESUME'])
      expect(await guest.monitor.execute('query-status')).toMatchObject({ running: true })
    })

    it('lets the guest run again when the scan is interrupted', async () => {
      told.length = 0
      const words = ['scan', `qemu:${guest.qmpPath}`, '--regex', '.', '--pause', '--json']
      // more matches than a pipe holds: it is in the middle when it is interrupted
      const script = `${AS_NOBODY} "$@" > >(sleep 3; cat > /dev/null) & sleep 2.5; kill -INT $!; wait $!`
      const { code } = await runShell(script, ...words)
      expect(code).toBe(130)
      expect(told).toEqual(['STOP', 'RESUME'])
    })
  },
)

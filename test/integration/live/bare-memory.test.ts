/** Memory of a QEMU with firmware only, where no guest needs to run. */
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openTarget } from '../../../src/coordinator/target.js'
import { noBareQemu, startBareQemu } from '../../lab/bare-qemu.js'

const reason = noBareQemu()
const MIB = 2 ** 20

describe.skipIf(reason !== undefined)(
  `memory of a bare QEMU${reason === undefined ? '' : ` (${reason})`}`,
  () => {
    it('is what stands in the file behind a private backend, where the guest has not touched it', async () => {
      await using qemu = await startBareQemu(folder => {
        const path = join(folder, 'memory')
        const fd = openSync(path, 'w')
        ftruncateSync(fd, 64 * MIB)
        writeSync(fd, 'in the file', 48 * MIB)
        closeSync(fd)
        const object = `memory-backend-file,id=m,size=64M,mem-path=${path},share=off`
        return ['-m', '64M', '-object', object, '-machine', 'pc,memory-backend=m']
      })
      using target = await openTarget(`qemu:${qemu.qmpPath}`)
      const { memory } = target
      expect(memory.spanAt(48 * MIB, MIB)).toEqual({ kind: 'data', length: MIB })
      expect(Buffer.from(memory.window(48 * MIB, 11).bytes).toString()).toBe('in the file')
    })
  },
)

/** A program that pauses a guest and then does what it is told: `hold-guest.ts QMP_SOCKET wait|throw|exit|own-handler`. */
import { pauseGuest } from '../../src/qemu/pause-guard.js'
import { QmpMonitor } from '../../src/qemu/qmp.js'

const [path = '', how] = process.argv.slice(2)
const monitor = await QmpMonitor.connect(path)
await pauseGuest(monitor)
if (how === 'own-handler') process.once('SIGTERM', () => process.exit(7))
console.log('paused')
if (how === 'throw')
  setImmediate(() => {
    throw new Error('a mistake of the program')
  })
if (how === 'exit') process.exit(5)
setInterval(() => undefined, 1000)

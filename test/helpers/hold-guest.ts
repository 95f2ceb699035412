/** A program that pauses a guest and then does what it is told: `hold-guest.ts QMP_SOCKET wait|throw|exit|handler-before|handler-behind`. */
import { pauseGuest } from '../../src/qemu/pause-guard.js'
import { QmpMonitor } from '../../src/qemu/qmp.js'

const [path = '', how] = process.argv.slice(2)
const monitor = await QmpMonitor.connect(path)
const ownHandler = (): void => void setTimeout(() => process.exit(7), 50)
if (how === 'handler-before') process.once('SIGTERM', ownHandler)
await pauseGuest(monitor)
if (how === 'handler-behind') process.once('SIGTERM', ownHandler)
console.log('paused')
if (how === 'throw')
  setImmediate(() => {
    throw new Error('a mistake of the program')
  })
if (how === 'exit') process.exit(5)
setInterval(() => undefined, 1000)

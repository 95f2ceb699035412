/** A program that holds a guest by its gdbstub, a breakpoint set, and then does what it is told: `debug-guest.ts QMP_SOCKET wait|exit`. */
import { openStubSession } from '../../src/qemu/gdbstub-session.js'
import { QmpMonitor } from '../../src/qemu/qmp.js'
import { runState } from '../../src/qemu/run-state.js'

const [path = '', how] = process.argv.slice(2)
const monitor = await QmpMonitor.connect(path)
const { stub } = await openStubSession(monitor)
await stub.insert({ kind: 'break', address: 0xffff0n })
console.log('held', (await runState(monitor)).running)
if (how === 'exit') process.exit(5)
setInterval(() => undefined, 1000)

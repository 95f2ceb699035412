/**
 * A program that holds a guest by its gdbstub, a breakpoint set, and then does what it is told: `debug-guest.ts QMP_SOCKET wait|exit|nested|opening`.
 * `nested`: within a pause. `opening`: it is not held yet, but about to be.
 */
import { openStubSession } from '../../src/qemu/gdbstub-session.js'
import { pauseGuest } from '../../src/qemu/pause-guard.js'
import { QmpMonitor } from '../../src/qemu/qmp.js'
import { runState } from '../../src/qemu/run-state.js'

const [path = '', how] = process.argv.slice(2)
const monitor = await QmpMonitor.connect(path)
if (how === 'nested') await pauseGuest(monitor)
const opening = openStubSession(monitor)
if (how === 'opening') while ((await runState(monitor)).running);
else await (await opening).stub.insert({ kind: 'break', address: 0xffff0n })
console.log('held', (await runState(monitor)).running)
if (how === 'exit') process.exit(5)
setInterval(() => undefined, 1000)

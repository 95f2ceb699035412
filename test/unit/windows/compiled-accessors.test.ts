/**
 * What a compiler that is not Microsoft's makes of accessors, as kernels of other NT systems are built: compiled here and now by GCC at
 * every level of optimisation, with declarations of our own that have the shape of 5.2's process structure.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { decodeX86 } from '../../../src/os/windows/code/x86.js'

interface Shape {
  readonly flag: '-m32' | '-m64'
  readonly convention: string
  readonly thread: string
  readonly pid: number
  readonly name: number
  readonly peb: number
  readonly create: number
  readonly exit: number
  readonly status: number
}

/** Offsets of 5.2 with service pack 1 on 32 bits; on 64 bits any would do. */
const SHAPES: readonly Shape[] = [
  {
    flag: '-m32',
    convention: 'stdcall',
    thread: 'mov{l} %%fs:0x124, %0',
    pid: 0x94,
    name: 0x164,
    peb: 0x1a0,
    create: 0x80,
    exit: 0x88,
    status: 0x24c,
  },
  {
    flag: '-m64',
    convention: 'ms_abi',
    thread: 'mov{q} %%gs:0x188, %0',
    pid: 0xd8,
    name: 0x268,
    peb: 0x2c0,
    create: 0xc0,
    exit: 0xc8,
    status: 0x38c,
  },
]

const source = ({ convention, thread, pid, name, peb, create, exit, status }: Shape) => `
typedef long long I64;
#define NTAPI __attribute__((${convention}))
#define AT(type, p, offset) (*(type *)((char *)(p) + (offset)))
typedef struct Process Process;
static inline __attribute__((always_inline)) char *current(void) { char *v; __asm__ __volatile__("${thread}" : "=r"(v)); return v; }
void *NTAPI PsGetProcessId(Process *p) { return AT(void *, p, ${pid}); }
char *NTAPI PsGetProcessImageFileName(Process *p) { return (char *)p + ${name}; }
void *NTAPI PsGetProcessPeb(Process *p) { return AT(void *, p, ${peb}); }
I64 NTAPI PsGetProcessCreateTimeQuadPart(Process *p) { return AT(I64, p, ${create}); }
int NTAPI PsGetProcessExitStatus(Process *p) { return AT(int, p, ${status}); }
I64 NTAPI PsGetProcessExitTime(void) { return AT(I64, AT(Process *, current(), 0x38), ${exit}); }
`

const folder = mkdtempSync(join(tmpdir(), 'vmsift-gcc-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Compiles; undefined where it can't be done here. */
function compile(shape: Shape, level: string): string | undefined {
  const [from, to] = [join(folder, `${shape.flag}.c`), join(folder, `${shape.flag}-${level}.o`)]
  writeFileSync(from, source(shape))
  const options = [shape.flag, `-O${level}`, '-ffreestanding', '-fno-pic', '-fno-pie', '-ffunction-sections']
  return spawnSync('gcc', [...options, '-c', from, '-o', to]).status === 0 ? to : undefined
}

function codeOf(object: string, name: string): Buffer {
  const path = join(folder, 'code')
  spawnSync('objcopy', ['-O', 'binary', `--only-section=.text.${name}`, object, path])
  return readFileSync(path)
}

for (const shape of SHAPES) {
  const able = compile(shape, '0') !== undefined && spawnSync('objcopy', ['--version']).status === 0
  describe.skipIf(!able)(`accessors by GCC ${shape.flag} (skipped: no gcc for it here)`, () => {
    describe.each(['0', 'g', '1', '2', '3', 's'])('at -O%s', level => {
      let object = ''
      beforeAll(() => {
        object = compile(shape, level) ?? ''
      })
      const access = (name: string) => {
        const code = codeOf(object, name)
        const fetch = (offset: number, length: number) =>
          offset + length <= code.length ? code.subarray(offset, offset + length) : undefined
        return decodeX86(fetch, shape.flag === '-m32' ? 32 : 64)
      }

      it.each([
        ['PsGetProcessId', 'load', shape.pid],
        ['PsGetProcessImageFileName', 'address', shape.name],
        ['PsGetProcessPeb', 'load', shape.peb],
        ['PsGetProcessCreateTimeQuadPart', 'load', shape.create],
        ['PsGetProcessExitStatus', 'load', shape.status],
      ] as const)('%s', (name, kind, offset) => {
        expect(access(name)).toMatchObject({ root: 'argument', kind, steps: [offset], complete: true })
      })

      it('PsGetProcessExitTime, by way of the current thread, or nothing', () => {
        const found = access('PsGetProcessExitTime')
        if (found !== undefined) expect(found).toMatchObject({ root: 'thread', steps: [0x38, shape.exit] })
        if (level === '2') expect(found).toBeDefined()
      })
    })
  })
}

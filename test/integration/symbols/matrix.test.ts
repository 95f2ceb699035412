/**
 * Symbols of real guests against what the guests' own /proc/kallsyms printed, symbol by symbol, and types against bpftool. The dumps are
 * those of the lab's matrix (`npm run lab -- matrix`); a guest whose dump isn't there is skipped by name.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openTarget, type Target } from '../../../src/coordinator/target.js'
import { type FoundBtf, findKernelBtf } from '../../../src/symbols/btf-search.js'
import { type FoundKallsyms, findKallsyms } from '../../../src/symbols/kallsyms-search.js'
import { parseSystemMap } from '../../../src/symbols/system-map.js'
import { compareWithBpftool } from '../../lab/bpftool.js'
import { findProgram } from '../../lab/command.js'
import { MATRIX } from '../../lab/guests.js'
import { matrixDir } from '../../lab/matrix.js'

const bpftool = findProgram('bpftool')

for (const { name } of MATRIX) {
  const dir = join(matrixDir(), name)
  const there = existsSync(join(dir, 'raw.img')) && existsSync(join(dir, 'kallsyms.txt'))
  describe.skipIf(!there)(`symbols of ${name}${there ? '' : ` (skipped: no dump in ${dir})`}`, () => {
    let target: Target
    let kallsyms: FoundKallsyms | undefined
    let btf: FoundBtf | undefined

    beforeAll(async () => {
      target = await openTarget(join(dir, 'raw.img'))
      kallsyms = findKallsyms(target.memory)[0]
      btf = findKernelBtf(target.memory)[0]
    })
    afterAll(() => target?.[Symbol.dispose]())

    it('are what the guest itself prints, symbol by symbol', () => {
      const truth = [...parseSystemMap(readFileSync(join(dir, 'kallsyms.txt'))).entries()].filter(
        symbol => symbol.module === undefined,
      )
      const stext = truth.find(symbol => symbol.name === '_stext')?.address ?? 0n
      const own = kallsyms?.symbols.addressOf('_stext') ?? 0n
      const moved = kallsyms?.symbols.shifted(kallsyms.space === 'physical' ? stext - own : 0n)
      const ours = moved === undefined ? [] : [...moved.entries()]
      expect(ours.length).toBe(truth.length)
      const different = truth.filter(({ name, address, type }, i) => {
        const symbol = ours[i]
        return symbol?.name !== name || symbol.address !== address || symbol.type !== type
      })
      expect(different.slice(0, 5)).toEqual([])
    })

    const types = !name.startsWith('i386') && bpftool !== undefined
    it.skipIf(!types)(
      `come with the types that bpftool reads${types ? '' : ' (skipped: no BTF in i386 kernels, or no bpftool)'}`,
      () => {
        const scratch = mkdtempSync(join(tmpdir(), 'vmsift-btf-'))
        try {
          if (btf === undefined) throw new Error('no BTF found')
          const path = join(scratch, 'vmlinux.btf')
          writeFileSync(path, target.memory.window(btf.gpa, btf.length).bytes)
          const result = compareWithBpftool(bpftool ?? '', path, btf.types)
          expect(result.different).toEqual([])
          expect(result.members).toBeGreaterThan(20_000)
        } finally {
          rmSync(scratch, { recursive: true, force: true })
        }
      },
    )
  })
}

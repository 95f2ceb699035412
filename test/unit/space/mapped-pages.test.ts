import { describe, expect, it } from 'vitest'
import { rulesForSpaces } from '../../../src/coordinator/rules/wanted-rules.js'
import { compileRules } from '../../../src/rules/compile.js'
import { guardsOf } from '../../../src/rules/guards.js'
import type { ExtentColumns } from '../../../src/space/extents.js'
import { MappedPages } from '../../../src/space/mapped-pages.js'

function extents(...list: readonly (readonly [page: number, bytes: number])[]): ExtentColumns {
  return {
    vpn: Float64Array.from(list, ([page]) => page),
    gpa: Float64Array.from(list, (_, index) => index * 2 ** 20),
    length: Float64Array.from(list, ([, bytes]) => bytes),
  }
}

const KERNEL_PAGE = -(2 ** 35)

describe('pages that are mapped in some space', () => {
  const mapped = new MappedPages([extents([16, 8192], [20, 4096]), extents([KERNEL_PAGE, 100], [18, 4096])])

  it('are told, whatever space has them, and others are not', () => {
    const pages = [0, 15, 16, 17, 18, 19, 20, 21, KERNEL_PAGE - 1, KERNEL_PAGE, KERNEL_PAGE + 1]
    expect(pages.filter(page => mapped.has(page))).toEqual([16, 17, 18, 20, KERNEL_PAGE])
  })

  it('are all of them once too much was asked', () => {
    const many = new MappedPages(Array.from({ length: 4096 }, () => extents([1, 4096])))
    const answers = Array.from({ length: 2000 }, (_, page) => many.has(1000 + page))
    expect(answers.indexOf(true)).toBe(1024)
    expect(answers.lastIndexOf(false)).toBe(1023)
  })
})

describe('rules for spaces', () => {
  const wanted = (condition: string, ...spaces: readonly ExtentColumns[]): boolean => {
    const rules = compileRules([{ source: `rule a { strings: $a = "abc" condition: ${condition} and $a }` }])
    return rulesForSpaces(guardsOf(rules), new MappedPages(spaces))[0] === 1
  }
  const low = extents([0, 4096])
  const high = extents([1024, 4096])

  it.each(['uint16(0) == 0x5a4d', 'uint32(0x3c) < 10 and filesize < 2MB', '$a at 0', 'uint8(0x3fffff) == 1'])(
    'that ask for %s can hold in none where nothing is mapped there',
    condition => {
      expect(wanted(condition, high)).toBe(false)
    },
  )

  it.each(['uint16(0) == 0x5a4d', '$a at 0', 'uint8(0xfff) == 1'])(
    'that ask for %s may hold where one maps it, whatever stands there',
    condition => {
      expect(wanted(condition, high, low)).toBe(true)
    },
  )

  it.each(['uint8(0x400000) == 1', '(uint8(0) == 3 or uint8(0x400fff) == 0)', 'not defined uint8(0)'])(
    'that ask for %s may hold',
    condition => {
      expect(wanted(condition, high)).toBe(true)
    },
  )
})

import { describe, expect, it } from 'vitest'
import { parseCommandLine } from '../../../src/qemu/command-line.js'
import { parseOptions, parseSize } from '../../../src/qemu/option-string.js'

const parse = (line: string) => parseCommandLine(['qemu-system-x86_64', ...line.split(' ')])

describe("QEMU's command line", () => {
  it('tells the name, with and without its key', () => {
    expect(parse('-name web').name).toBe('web')
    expect(parse('-name guest=web,debug-threads=on').name).toBe('web')
    expect(parse('-m 64').name).toBeUndefined()
  })

  it('tells the memory in its units', () => {
    expect(parse('-m 256').memoryBytes).toBe(256 << 20)
    expect(parse('-m size=5G,slots=2,maxmem=8G').memoryBytes).toBe(5 * 2 ** 30)
    expect(parse('-nodefaults').memoryBytes).toBe(128 << 20)
  })

  it('finds QMP sockets on which QEMU listens, and no others', () => {
    expect(parse('-qmp unix:/run/a,server=on,wait=off -qmp unix:/run/b,server,nowait').qmpPaths).toEqual([
      '/run/a',
      '/run/b',
    ])
    expect(
      parse('-chardev socket,id=m,path=/run/c,server=on,wait=off -mon chardev=m,mode=control').qmpPaths,
    ).toEqual(['/run/c'])
    expect(parse('-chardev socket,id=m,fd=22,server=on -mon chardev=m,mode=control').qmpPaths).toEqual([])
    expect(parse('-chardev socket,id=m,path=/run/d,server=on -mon chardev=m,mode=readline').qmpPaths).toEqual(
      [],
    )
    expect(parse('-qmp tcp:localhost:4444,server=on -qmp unix:/run/e').qmpPaths).toEqual([])
    expect(parse('-chardev socket,id=m,path=/run/f,server=on -qmp chardev:m').qmpPaths).toEqual(['/run/f'])
  })

  it('finds the sockets of gdbstubs', () => {
    expect(parse('-gdb unix:/run/gdb,server=on,wait=off').gdbPaths).toEqual(['/run/gdb'])
    expect(parse('-gdb tcp::1234').gdbPaths).toEqual([])
  })

  it('takes the last of what is given twice, and puts machine options together', () => {
    const { machine, memoryBytes } = parse('-machine q35,memory-backend=ram -M accel=kvm -m 1G -m 2G')
    expect(Object.fromEntries(machine)).toEqual({ type: 'q35', 'memory-backend': 'ram', accel: 'kvm' })
    expect(memoryBytes).toBe(2 * 2 ** 30)
  })

  it('knows whether there is a VGA card', () => {
    expect(parse('-m 1G').vga).toBe(true)
    expect(parse('-nodefaults').vga).toBe(false)
    expect(parse('-nodefaults -vga std').vga).toBe(true)
    expect(parse('-nodefaults -device VGA,id=v').vga).toBe(true)
    expect(parse('-vga none').vga).toBe(false)
  })

  it('reads objects as strings and as JSON', () => {
    const words = ['qemu', '-object', 'memory-backend-memfd,id=a,size=1G,share=on']
    words.push('-object', '{"qom-type":"memory-backend-ram","id":"b","size":1073741824,"prealloc":true}')
    const [a, b] = parseCommandLine(words).objects
    expect(a?.get('qom-type')).toBe('memory-backend-memfd')
    expect(b?.get('id')).toBe('b')
    expect(b?.get('prealloc')).toBe('on')
  })
})

describe('option strings', () => {
  it('keep doubled commas as one', () => {
    expect(parseOptions('a,,b,path=/x,,y,flag', 'name')).toEqual(
      new Map([
        ['name', 'a,b'],
        ['path', '/x,y'],
        ['flag', 'on'],
      ]),
    )
  })

  it('survive broken JSON', () => {
    expect(parseOptions('{"a":', 'name').size).toBe(0)
  })

  it('have sizes with suffixes', () => {
    expect(parseSize('1.5G', 1)).toBe(1.5 * 2 ** 30)
    expect(parseSize('4k', 1)).toBe(4096)
    expect(parseSize('512', 2 ** 20)).toBe(512 * 2 ** 20)
    expect(parseSize('much', 1)).toBeUndefined()
  })
})

/** The kernel's list of loaded modules (KLDR_DATA_TABLE_ENTRY, whose start is that of LDR_DATA_TABLE_ENTRY). */
import type { Builder } from './builder.js'
import type { KernelImage } from './kernel-image.js'
import type { Objects } from './objects.js'
import { CODE, peHeaders } from './pe.js'
import { DRIVERS } from './population.js'
import type { ModuleTruth } from './truth.js'

/** Loads the drivers from `start` on. */
export function writeDrivers(
  builder: Builder,
  image: KernelImage,
  objects: Objects,
  start: bigint,
): ModuleTruth[] {
  const { kernel, facts, pointerBytes } = builder
  const modules: ModuleTruth[] = [
    {
      name: 'ntoskrnl.exe',
      path: '\\SystemRoot\\system32\\ntoskrnl.exe',
      base: image.base,
      size: image.bytes,
    },
  ]
  let next = start
  for (const { name, size, hidden } of DRIVERS) {
    const path = `\\SystemRoot\\System32\\drivers\\${name}`
    modules.push({ name, path, base: next, size, ...(hidden === true && { hidden }) })
    kernel.map(next, 0x2000, { executable: true })
    kernel.write(
      next,
      peHeaders({
        bits: pointerBytes === 8 ? 64 : 32,
        machine: pointerBytes === 8 ? 0x8664 : 0x14c,
        imageBytes: size,
        timestamp: 0x5e00_0000 + size,
        base: next,
        sections: [{ name: '.text', rva: 0x1000, bytes: size - 0x1000, flags: CODE }],
      }),
    )
    next += BigInt(Math.ceil(size / 0x10000) * 0x10000)
  }
  const member = (name: string): string => `_LDR_DATA_TABLE_ENTRY.${name}`
  const entries = modules.map(({ name, path, base, size }) => {
    const entry = builder.nonPaged.alloc(
      image.hasPdb ? 'MmLd' : 'klmo',
      Math.max(0xa0, facts.offset(member('TimeDateStamp')) + 8),
    )
    builder.put(entry, member('DllBase'), base)
    builder.put(entry, member('EntryPoint'), base + 0x1000n)
    builder.put(entry, member('SizeOfImage'), size, 4)
    builder.putString(builder.at(entry, member('FullDllName')), path)
    builder.putString(builder.at(entry, member('BaseDllName')), name)
    builder.put(entry, member('Flags'), 0x0914_4000, 4)
    kernel.emptyList(entry)
    // libraries have no object
    if (name.toLowerCase().endsWith('.sys')) writeObject(builder, objects, { name, base, size, entry })
    return entry
  })
  kernel.ring(
    image.symbols.get('PsLoadedModuleList') as bigint,
    ...entries.filter((_, i) => modules[i]?.hidden !== true),
  )
  return modules
}

/** DRIVER_OBJECT (wdm.h; the same in Volatility 3's and Rekall's tables). */
function writeObject(
  builder: Builder,
  objects: Objects,
  { name, base, size, entry }: { name: string; base: bigint; size: number; entry: bigint },
): void {
  const { kernel, pointerBytes } = builder
  const [bytes, startAt, sizeAt, sectionAt, nameAt] =
    pointerBytes === 8
      ? ([0x150, 0x18n, 0x20n, 0x28n, 0x38n] as const)
      : ([0xa8, 0xcn, 0x10n, 0x14n, 0x1cn] as const)
  const plain = name.replace(/\.sys$/i, '')
  const object = objects.create('Driver', bytes, { name: plain })
  kernel.integer(object, 4, 2)
  kernel.integer(object + 2n, bytes, 2)
  kernel.pointer(object + startAt, base)
  kernel.integer(object + sizeAt, size, 4)
  kernel.pointer(object + sectionAt, entry)
  builder.putString(object + nameAt, `\\Driver\\${plain}`)
}

/** The memory manager's page files (_MMPAGING_FILE), for builds whose table tells where they are kept. */
import type { Builder } from './builder.js'
import type { KernelImage } from './kernel-image.js'
import type { PageFileTruth } from './truth.js'

const FILES: readonly PageFileTruth[] = [
  { number: 0, path: '\\??\\C:\\pagefile.sys' },
  { number: 1, path: '\\??\\C:\\swapfile.sys' },
  // the store of compressed memory, which is no file
  { number: 2 },
]

/** Writes the system partition's page files; none for builds that say nothing of them. */
export function writePageFiles(builder: Builder, image: KernelImage): readonly PageFileTruth[] {
  const { facts, kernel, nonPaged } = builder
  const partition = image.symbols.get('MiSystemPartition')
  if (partition === undefined || !facts.has('_MMPAGING_FILE.VirtualStorePagefile')) return []
  const visible = builder.at(partition, '_MI_PARTITION.Vp')
  builder.put(visible, '_MI_VISIBLE_PARTITION.NumberOfPagingFiles', FILES.length, 4)
  const array = builder.at(visible, '_MI_VISIBLE_PARTITION.PagingFile')
  for (const { number, path } of FILES) {
    const file = nonPaged.alloc('Mm  ', facts.size('_MMPAGING_FILE'))
    builder.putBits(file, '_MMPAGING_FILE.PageFileNumber', number)
    if (path === undefined) builder.putBits(file, '_MMPAGING_FILE.VirtualStorePagefile', 1)
    else builder.putString(builder.at(file, '_MMPAGING_FILE.PageFileName'), path)
    kernel.pointer(array + BigInt(number * builder.pointerBytes), file)
  }
  return FILES
}

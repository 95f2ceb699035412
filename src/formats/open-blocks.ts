/** From a block index to a reader. */
import type { ByteSource } from '../core/bytes.js'
import { openAvml } from './avml-reader.js'
import { flattenedSource } from './flattened.js'
import type { BlockIndex, BlockReader } from './image.js'
import { openKdump } from './kdump-reader.js'

/** Opens compressed memory over the image's file; one reader a thread, over the same shared index. */
export function openBlocks(index: BlockIndex, source: ByteSource): BlockReader {
  switch (index.format) {
    case 'avml':
      return openAvml(index, source)
    case 'kdump':
      return openKdump(index, index.flat === undefined ? source : flattenedSource(index.flat, source))
  }
}

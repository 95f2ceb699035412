/** Plain data with columns in shared memory, to be written and read: a serializer takes no shared memory itself. */
import { sharedColumn } from '../../rules/search/shared-column.js'

/** Columns as copies in memory of their own, shared buffers as columns of bytes. */
export function outOfSharedMemory(value: unknown): unknown {
  if (value instanceof SharedArrayBuffer) return { $shared: new Uint8Array(value).slice() }
  if (ArrayBuffer.isView(value)) return { $column: (value as Uint8Array).slice() }
  if (Array.isArray(value)) return value.map(outOfSharedMemory)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, outOfSharedMemory(item)]))
}

/** The inverse. */
export function inSharedMemory(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inSharedMemory)
  if (typeof value !== 'object' || value === null) return value
  const { $shared, $column } = value as { $shared?: Uint8Array; $column?: Uint8Array }
  if ($shared !== undefined) return shared($shared).buffer
  if ($column !== undefined) return shared($column)
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, inSharedMemory(item)]))
}

function shared(column: Uint8Array): Uint8Array {
  // whatever its type is
  return sharedColumn(column.constructor as Uint8ArrayConstructor, column)
}

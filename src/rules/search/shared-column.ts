/** Columns of numbers in shared memory, which every thread reads. */

type ColumnType<Column> = { new (buffer: SharedArrayBuffer): Column; readonly BYTES_PER_ELEMENT: number }

/** A column of that type with these values. */
export function sharedColumn<Column extends Uint8Array | Uint32Array | Int32Array | Float64Array>(
  type: ColumnType<Column>,
  values: ArrayLike<number>,
): Column {
  const column = new type(new SharedArrayBuffer(values.length * type.BYTES_PER_ELEMENT))
  column.set(values)
  return column
}

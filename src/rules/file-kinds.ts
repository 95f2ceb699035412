/**
 * Modules that tell of files: what they have is undefined, or false, of bytes that are no such file (in YARA-X's protos/pe.proto and
 * elf.proto all fields are optional; its functions were asked one by one, test/unit/rules/file-kinds.test.ts).
 */
import type { Expression, FileKind } from './ast.js'
import type { SyntaxPath } from './syntax.js'

type File = NonNullable<Extract<Expression, { kind: 'foreign' }>['file']>

/** Fields and functions that are undefined, and those that are false. What is not among them may be anything. */
const UNDEFINED: Readonly<Record<FileKind, readonly string[]>> = {
  pe: (
    'machine subsystem os_version subsystem_version image_version linker_version opthdr_magic ' +
    'characteristics dll_characteristics timestamp image_base checksum base_of_code base_of_data ' +
    'entry_point entry_point_raw dll_name export_timestamp section_alignment file_alignment ' +
    'loader_flags size_of_optional_header size_of_code size_of_initialized_data ' +
    'size_of_uninitialized_data size_of_image size_of_headers size_of_stack_reserve ' +
    'size_of_stack_commit size_of_heap_reserve size_of_heap_commit number_of_rva_and_sizes ' +
    'number_of_sections number_of_resources number_of_imports number_of_exports number_of_signatures ' +
    'version_info rich_signature pdb_path sections data_directories resource_timestamp ' +
    'resource_version resources signatures overlay imphash section_index'
  ).split(' '),
  elf: (
    'type machine entry_point sh_offset sh_entry_size ph_offset ph_entry_size number_of_sections ' +
    'number_of_segments symtab_entries dynsym_entries sections segments symtab dynsym dynamic'
  ).split(' '),
}
const FALSE: Readonly<Record<FileKind, readonly string[]>> = {
  pe: ['exports', 'imports', 'is_32bit', 'is_64bit', 'is_dll', 'is_pe'],
  elf: [],
}

/** The integer that such a file begins with: its bytes, and its value. */
const MAGIC: Readonly<Record<FileKind, { readonly bytes: 2 | 4; readonly value: bigint }>> = {
  pe: { bytes: 2, value: 0x5a4dn },
  elf: { bytes: 4, value: 0x464c457fn },
}

/** What is known of this where there is no such file. */
export function fileOf({ name, steps }: SyntaxPath): File | undefined {
  if (name !== 'pe' && name !== 'elf') return undefined
  const [field] = steps
  if (field?.kind !== 'field') return undefined
  const called = steps.findIndex(({ kind }) => kind === 'call')
  if (called > 1 || (called === 1 && steps.length > 2)) return undefined
  if (FALSE[name].includes(field.name)) return { kind: name, otherwise: 'false' }
  return UNDEFINED[name].includes(field.name) ? { kind: name, otherwise: 'undefined' } : undefined
}

/** Whether something begins as such a file. */
export function beginsAs(file: FileKind): Expression {
  const place = { start: 0, end: 0 }
  const { bytes, value } = MAGIC[file]
  const offset: Expression = { kind: 'integer', value: 0n, ...place }
  const left: Expression = { kind: 'read', bytes, signed: false, bigEndian: false, offset, ...place }
  const right: Expression = { kind: 'integer', value, ...place }
  return { kind: 'compare', operator: '==', type: 'integer', left, right, ...place }
}

/** What an operand must be read from to have a value. */
export function fileOfOperand(node: Expression): FileKind | undefined {
  switch (node.kind) {
    case 'foreign':
      return node.file?.otherwise === 'undefined' ? node.file.kind : undefined
    case 'arithmetic':
      return fileOfOperand(node.left) ?? fileOfOperand(node.right)
    case 'negate':
    case 'complement':
      return fileOfOperand(node.operand)
    case 'read':
      return fileOfOperand(node.offset)
    default:
      return undefined
  }
}

/**
 * Machine code of the kernel's accessor functions, as its compilers emit it: what stands in public disassembly listings of ntoskrnl, put
 * together by hand. Several shapes of each.
 */

/** What an accessor does with its argument. */
export type AccessorKind =
  /** Returns the pointer-sized member. */
  | 'load'
  /** Returns 32 bits of it. */
  | 'load32'
  /** Returns 64 bits, on 32-bit kernels in edx:eax. */
  | 'load64'
  /** Returns the member's address. */
  | 'address'
  /** Loads a pointer, and what it points to unless it is NULL. */
  | 'load twice'

export type Shape = 'plain' | 'hotpatch' | 'frame' | 'stack' | 'gcc'

const disp = (value: number): number[] => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32LE(value)
  return [...bytes]
}

/** ModRM and displacement of `[base + value]`, as short as compilers make it. */
function memory(register: number, base: number, value: number): number[] {
  if (value >= -128 && value < 128) return [0x40 | (register << 3) | base, value & 0xff]
  return [0x80 | (register << 3) | base, ...disp(value)]
}

const EAX = 0
const ECX = 1
const EDX = 2

/** x64: the argument is in rcx. */
export function accessor64(kind: AccessorKind, offset: number): Buffer {
  switch (kind) {
    case 'load':
    case 'load64':
      return Buffer.from([0x48, 0x8b, ...memory(EAX, ECX, offset), 0xc3])
    case 'load32':
      return Buffer.from([0x8b, ...memory(EAX, ECX, offset), 0xc3])
    case 'address':
      return Buffer.from([0x48, 0x8d, ...memory(EAX, ECX, offset), 0xc3])
    case 'load twice':
      // mov rax, [rcx+offset]; test rax, rax; je end; mov rax, [rax]; end: ret
      return Buffer.from([
        0x48,
        0x8b,
        ...memory(EAX, ECX, offset),
        0x48,
        0x85,
        0xc0,
        0x74,
        3,
        0x48,
        0x8b,
        0,
        0xc3,
      ])
  }
}

/** x86: the argument is on the stack; the callee takes it off. */
export function accessor32(kind: AccessorKind, offset: number, shape: Shape): Buffer {
  const framed = shape === 'frame' || shape === 'hotpatch' || shape === 'gcc'
  // GCC takes the frame down as soon as the argument is out of it
  const early = shape === 'gcc' ? [0x5d] : []
  const before = [
    // mov edi, edi: room for a hot patch
    ...(shape === 'hotpatch' ? [0x8b, 0xff] : []),
    // push ebp; mov ebp, esp
    ...(framed ? [0x55, 0x8b, 0xec] : []),
  ]
  /** mov register, [ebp+8] or [esp+4] */
  const argument = (register: number): number[] =>
    framed ? [0x8b, 0x45 | (register << 3), 8, ...early] : [0x8b, 0x44 | (register << 3), 0x24, 4]
  const after = [...(framed && shape !== 'gcc' ? [0x5d] : []), 0xc2, 4, 0]
  const body = (): number[] => {
    switch (kind) {
      case 'load':
      case 'load32':
        return [...argument(EAX), 0x8b, ...memory(EAX, EAX, offset)]
      case 'load64':
        return [...argument(ECX), 0x8b, ...memory(EAX, ECX, offset), 0x8b, ...memory(EDX, ECX, offset + 4)]
      case 'address':
        // add eax, imm32 where a frame is, lea eax, [eax+offset] elsewhere
        return framed
          ? [...argument(EAX), 0x05, ...disp(offset)]
          : [...argument(EAX), 0x8d, ...memory(EAX, EAX, offset)]
      case 'load twice':
        return [...argument(EAX), 0x8b, ...memory(EAX, EAX, offset), 0x85, 0xc0, 0x74, 2, 0x8b, 0]
    }
  }
  return Buffer.from([...before, ...body(), ...after])
}

/** PsGetProcessExitTime and its like: the current thread's process, then a member of 64 bits. */
export function currentProcess(bits: 32 | 64, processInThread: number, offset: number | undefined): Buffer {
  if (bits === 64) {
    // mov rax, gs:[188h]; mov rax, [rax+process]; mov rax, [rax+offset]; ret
    const process = [
      0x65,
      0x48,
      0x8b,
      0x04,
      0x25,
      ...disp(0x188),
      0x48,
      0x8b,
      ...memory(EAX, EAX, processInThread),
    ]
    return Buffer.from([
      ...process,
      ...(offset === undefined ? [] : [0x48, 0x8b, ...memory(EAX, EAX, offset)]),
      0xc3,
    ])
  }
  // mov eax, fs:[124h]; mov ecx, [eax+process]; mov eax, [ecx+offset]; mov edx, [ecx+offset+4]; ret
  const thread = [0x64, 0xa1, ...disp(0x124)]
  if (offset === undefined) return Buffer.from([...thread, 0x8b, ...memory(EAX, EAX, processInThread), 0xc3])
  return Buffer.from([
    ...thread,
    0x8b,
    ...memory(ECX, EAX, processInThread),
    0x8b,
    ...memory(EAX, ECX, offset),
    0x8b,
    ...memory(EDX, ECX, offset + 4),
    0xc3,
  ])
}

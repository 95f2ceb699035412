/**
 * Virtual address descriptors, by version. Sources: tables generated from PDBs (Volatility 2's overlays; Rekall and ISF where there are
 * some), and MemProcFS (mm_vad.c), which agree.
 */
import type { Structure } from './structure.js'
import { isAtLeast, type WindowsVersion } from './version.js'

type Structures = Readonly<Record<string, Structure>>

/** Flags of 5.1, and of 5.2 without a service pack. */
const FLAGS_XP: Structure = {
  ImageMap: [0x14, undefined, [4, 20, 1]],
  Protection: [0x14, undefined, [4, 24, 5]],
  PrivateMemory: [0x14, undefined, [4, 31, 1]],
}

/** Since 5.2 with service pack 1; the bits of 32-bit flags stand where those of 64-bit ones do less 32. */
const FLAGS_2003: Readonly<Record<'narrow' | 'wide', Structure>> = {
  narrow: {
    VadType: [0x14, undefined, [4, 20, 3]],
    Protection: [0x14, undefined, [4, 24, 5]],
    PrivateMemory: [0x14, undefined, [4, 31, 1]],
  },
  wide: {
    VadType: [undefined, 0x28, [8, 52, 3]],
    Protection: [undefined, 0x28, [8, 56, 5]],
    PrivateMemory: [undefined, 0x28, [8, 63, 1]],
  },
}

/** Since 5.2: an AVL tree. */
const AVL: Structure = {
  LeftChild: [4, 8, 'pointer'],
  RightChild: [8, 0x10, 'pointer'],
  StartingVpn: [0xc, 0x18, 'pointer'],
  EndingVpn: [0x10, 0x20, 'pointer'],
}

/** 5.1: page numbers first. */
const XP: Structures = {
  _MMVAD_SHORT: {
    StartingVpn: [0, undefined, 4],
    EndingVpn: [4, undefined, 4],
    LeftChild: [0xc, undefined, 'pointer'],
    RightChild: [0x10, undefined, 'pointer'],
    ...FLAGS_XP,
  },
  _MMVAD: { ControlArea: [0x18, undefined, 'pointer'] },
}

/** To 5.2 a VAD leads to its control area, since 6.0 to its subsection. */
const TO_AREA: Structure = { ControlArea: [0x18, 0x30, 'pointer'] }
const TO_SUBSECTION: Structure = { Subsection: [0x24, 0x48, 'pointer'] }

/** 6.2: the tree of before, with page numbers of 32 bits and other flags. */
const EIGHT: Structures = {
  _MMVAD_SHORT: {
    LeftChild: [4, 8, 'pointer'],
    RightChild: [8, 0x10, 'pointer'],
    StartingVpn: [0xc, 0x18, 4],
    EndingVpn: [0x10, 0x1c, 4],
    VadType: [0x18, 0x28, [4, 0, 3]],
    Protection: [0x18, 0x28, [4, 3, 5]],
    PrivateMemory: [0x18, 0x28, [4, 15, 1]],
  },
  _MMVAD: { Subsection: [0x2c, 0x48, 'pointer'] },
}

/** First bits of type (protection follows) and of PrivateMemory, from this build on. */
const FLAGS_SINCE_81: readonly (readonly [build: number, type: number, privateMemory: number])[] = [
  [20348, 4, 21],
  [18362, 4, 20],
  [17134, 0, 14],
  [0, 0, 15],
]

/** Two words more in every descriptor (MemProcFS only). */
const LONGER_BUILD = 28000

/** 6.3 and later: balanced nodes, page numbers of 32 bits with a byte above. */
function since81(build: number): Structures {
  const [, type, privateMemory] = FLAGS_SINCE_81.find(([first]) => build >= first) ?? [0, 0, 15]
  return {
    _MMVAD_SHORT: {
      LeftChild: [0, 0, 'pointer'],
      RightChild: [4, 8, 'pointer'],
      StartingVpn: [0xc, 0x18, 4],
      EndingVpn: [0x10, 0x1c, 4],
      StartingVpnHigh: [undefined, 0x20, 1],
      EndingVpnHigh: [undefined, 0x21, 1],
      VadType: [0x1c, 0x30, [4, type, 3]],
      Protection: [0x1c, 0x30, [4, type + 3, 5]],
      PrivateMemory: [0x1c, 0x30, [4, privateMemory, 1]],
    },
    _MMVAD: { Subsection: [0x2c, build >= LONGER_BUILD ? 0x50 : 0x48, 'pointer'] },
  }
}

/** `first`: 5.2 without a service pack. */
export function vadLayout(version: WindowsVersion, first: boolean): Structures {
  if (isAtLeast(version, 6, 3)) return since81(version.build)
  if (isAtLeast(version, 6, 2)) return EIGHT
  if (!isAtLeast(version, 5, 2)) return XP
  const flags = version.machine === 'x86' ? FLAGS_2003.narrow : FLAGS_2003.wide
  return {
    _MMVAD_SHORT: { ...AVL, ...(first ? FLAGS_XP : flags) },
    _MMVAD: isAtLeast(version, 6, 0) ? TO_SUBSECTION : TO_AREA,
  }
}

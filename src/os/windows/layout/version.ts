/** Which Windows a kernel is. */

/** Processor of the kernel. */
export type WindowsMachine = 'x86' | 'x64' | 'arm64'

/** As the kernel tells it. */
export interface WindowsVersion {
  readonly major: number
  readonly minor: number
  /** 2600, 7601, 19041, ... */
  readonly build: number
  readonly machine: WindowsMachine
}

/** Major and minor version of a build: what later builds say too, where nothing else tells. */
export function versionOfBuild(build: number): { readonly major: number; readonly minor: number } {
  if (build >= 10240) return { major: 10, minor: 0 }
  if (build >= 9600) return { major: 6, minor: 3 }
  if (build >= 9200) return { major: 6, minor: 2 }
  if (build >= 7600) return { major: 6, minor: 1 }
  if (build >= 6000) return { major: 6, minor: 0 }
  if (build >= 3790) return { major: 5, minor: 2 }
  if (build >= 2600) return { major: 5, minor: 1 }
  return { major: 5, minor: 0 }
}

/** Whether the kernel is of this version or a later one. */
export function isAtLeast(
  { major, minor }: WindowsVersion,
  wantedMajor: number,
  wantedMinor: number,
): boolean {
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)
}

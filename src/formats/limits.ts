/**
 * Bounds on what a header may make us hold in memory, far above any real image (docs/DECISIONS.md).
 * Past one of them an image is refused as `image-corrupt`, "too fragmented": a hostile header must not exhaust memory.
 */

/** Ranges of memory, and extents of a file, in one image. Real ones have some thousands at most. */
export const MAX_RUNS = 2 ** 20

/** ELF program headers read. QEMU's `paging=on` writes one per stretch mapped alike: 4 Mi of them are 16 GiB of scattered pages. */
export const MAX_SEGMENTS = 2 ** 22

/** Snappy chunks of an AVML image: 8 Mi chunks of 64 KiB are 512 GiB of memory, and a table of 128 MiB. */
export const MAX_CHUNKS = 2 ** 23

/** Records of a flattened dump: QEMU writes 16 KiB a record, so this is 128 GiB of compressed dump. */
export const MAX_FLAT_RECORDS = 2 ** 23

/** Page frames in a kdump bitmap: 2^31 pages of 4 KiB are 8 TiB, and a bitmap of 256 MiB. */
export const MAX_KDUMP_PAGES = 2 ** 31

/** Bytes of ELF notes read: some hundreds of bytes a vCPU, and VMCOREINFO of at most a page or two. */
export const MAX_NOTE_BYTES = 2 ** 24

/** vCPUs taken from the notes. */
export const MAX_CPUS = 4096

/** Processor architecture and paging family, as `info` names it. */
export type Architecture = 'x86_64' | 'x86_64-la57' | 'i386-pae' | 'i386' | 'aarch64'

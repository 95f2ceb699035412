/** Names of running guests: `qemu:WORD`, `libvirt:WORD`, `xen:WORD`. */

export interface LiveWord {
  readonly hypervisor: 'qemu' | 'libvirt' | 'xen'
  /** What names the guest there. */
  readonly word: string
}

/** The parts of a target that names a running guest; undefined when it is the path of a file. */
export function liveWord(target: string): LiveWord | undefined {
  const [, hypervisor, word] = /^(qemu|libvirt|xen):(.*)$/s.exec(target) ?? []
  if (hypervisor === undefined || word === undefined) return undefined
  return { hypervisor: hypervisor as LiveWord['hypervisor'], word }
}

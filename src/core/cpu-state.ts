/** A processor's registers, wherever they come from. */

/** One vCPU's registers by lower-case name; a register that nothing gives is absent. */
export interface CpuState {
  readonly vcpu: number
  readonly registers: Readonly<Record<string, bigint>>
}

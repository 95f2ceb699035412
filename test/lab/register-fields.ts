/** Fields of `info registers` read without vmsift: word by word, for comparison. */

const NAMES: Readonly<Record<string, string>> = { rfl: 'rflags', efl: 'eflags' }
/** What is no register, or wider than what vmsift shows. */
const LEFT_OUT =
  /^(cpl|ii|a20|smm|hlt|dpl|cc[scd]|co|st|f[cst]w|mxcsr|fpr\d|xmm\d+|ymm\d+|zmm\d+|opmask\d+|bndcfgu|bndcfgs|bndstatus|bnd\d)$/

/** One record a vCPU: every `NAME=hex` of the x86 text, segments and tables with their parts. */
export function qemuRegisterFields(text: string): Record<string, bigint>[] {
  return text
    .split(/^CPU#\d+\s*$/m)
    .slice(1)
    .map(part => {
      const fields: Record<string, bigint> = {}
      for (const line of part.split('\n')) {
        const name = line.slice(0, 3).trim().toLowerCase()
        const words = line
          .slice(line.indexOf('=') + 1)
          .trim()
          .split(/\s+/)
        if (['es', 'cs', 'ss', 'ds', 'fs', 'gs', 'ldt', 'tr'].includes(name.replace('=', ''))) {
          const segment = name.replace('=', '')
          ;['', '_base', '_limit', '_flags'].forEach((suffix, at) => {
            fields[`${segment}${suffix}`] = BigInt(`0x${words[at]}`)
          })
        } else if (name === 'gdt' || name === 'idt') {
          fields[`${name}_base`] = BigInt(`0x${words[0]}`)
          fields[`${name}_limit`] = BigInt(`0x${words[1]}`)
        } else
          for (const word of line.replace(/\s*=/g, '=').split(/\s+/)) {
            const [key = '', value = ''] = word.toLowerCase().split('=')
            if (/^[0-9a-f]+$/.test(value) && !LEFT_OUT.test(key))
              fields[NAMES[key] ?? key] = BigInt(`0x${value}`)
          }
      }
      return fields
    })
}

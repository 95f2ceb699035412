/** Help texts that more than one command shows. */

export const TOP_HELP = `
Targets:
  PATH              a snapshot file: raw, LiME, AVML, ELF core or kdump, told by its bytes
  qemu:NAME, qemu:PID, qemu:PATH   a running QEMU guest: by its name, process id, or QMP socket

Exit codes:
  0    done (scan: something was found)
  1    scan finished and found nothing
  2    the command line, a rule or the target is wrong; one line says what
  3    finished, but memory that should be there could not be read
  130  interrupted by Ctrl-C; what was found is printed

Examples:
  vmsift info memory.lime
  vmsift scan memory.lime --text password
  vmsift scan memory.lime --yara rules/ --json > found.ndjson
  vmsift read memory.lime 0x1f3000 --length 256

vmsift <command> --help explains a command.`

export const NUMBERS_HELP = `
Numbers: decimal or 0x..., with K, M, G or T for powers of 1024: 4096, 0x1000, 4K, 1G.`

/** `--symbols`, of every command that needs the guest's system. */
import { Option } from 'commander'

/** Describes it; without it `$VMSIFT_SYMBOLS` is used. */
export function symbolsOption(): Option {
  return new Option(
    '--symbols <path>',
    'System.map, ISF JSON or a folder of them, where the guest alone does not tell enough (or $VMSIFT_SYMBOLS)',
  )
}

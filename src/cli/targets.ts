/** Targets as they stand on the command line, and the options that say how to read them. */
import { type Command, Option } from 'commander'
import { VmsiftError } from '../core/errors.js'
import type { ImageFormat } from '../formats/image.js'
import { parseAddress } from './numbers.js'

const FORMATS: readonly ImageFormat[] = ['raw', 'lime', 'avml', 'elf', 'kdump', 'crashdump']

export interface TargetOptions {
  readonly inputFormat?: ImageFormat
  readonly base?: string
}

/** What `openTarget` takes. */
export interface OpenOptions {
  readonly format?: ImageFormat
  readonly base?: number
}

/** Adds `--input-format` and `--base`. */
export function addTargetOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--input-format <name>', "the file's format, where its bytes don't tell").choices(FORMATS),
    )
    .option(
      '--base <address>',
      "guest physical address of a raw file's first byte (default: what the guest tells, else 0)",
    )
}

/**
 * Checks the target's name and turns the options into what `openTarget` takes.
 * @throws VmsiftError `bad-argument` for a wrong `--base`.
 */
export function openOptions(target: string, options: TargetOptions): OpenOptions {
  if (target === '')
    throw new VmsiftError(
      'bad-argument',
      'the target is empty; give the path of a memory image, or qemu:NAME',
    )
  return {
    ...(options.inputFormat !== undefined && { format: options.inputFormat }),
    ...(options.base !== undefined && { base: parseAddress(options.base, '--base') }),
  }
}

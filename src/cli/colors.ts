/** Colours, only where a terminal shows them. */
import { isatty } from 'node:tty'

export interface Colors {
  dim(text: string): string
  bold(text: string): string
  cyan(text: string): string
}

const PLAIN: Colors = { dim: text => text, bold: text => text, cyan: text => text }

/** Real colours when stdout is a terminal and `NO_COLOR` isn't set; `toStdout` is false when results go to a file. */
export async function chooseColors(toStdout = true): Promise<Colors> {
  const { NO_COLOR, TERM } = process.env
  if (!toStdout || !isatty(1) || (NO_COLOR !== undefined && NO_COLOR !== '') || TERM === 'dumb') return PLAIN
  const { default: picocolors } = await import('picocolors')
  return picocolors.createColors(true)
}

/** What a command's module gives: its own description, and its work. */
import type { Command } from 'commander'

/** Does the work and returns the exit code. */
export type Run = () => Promise<number>

/** Describes a command's arguments and options, and calls `run` with its work when it was chosen. */
export type Define = (command: Command, run: (work: Run) => Promise<void>) => void

/** YARA-X as a second opinion: rules compiled by it alone. */
import { loadYara, type YaraRules } from '../../src/patterns/yara-runtime.js'

/** The rules of a text. Free them. */
export function buildRules(text: string): YaraRules {
  const { Compiler } = loadYara()
  const compiler = new Compiler()
  try {
    compiler.addSource(text)
    return compiler.build()
  } finally {
    compiler.free()
  }
}

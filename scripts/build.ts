/**
 * Builds dist/: declarations by tsc, and the program in few files. To resolve, read and link a module takes Node up to a millisecond, which
 * for a hundred of them was most of what a command took.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { type CodeSplittingGroup, rolldown } from 'rolldown'

/** Small libraries that every command needs: read from their own files they cost more than all they do. */
const BUNDLED = { commander: 'LICENSE', valibot: 'LICENSE.md' }
const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as { dependencies: object }
const EXTERNAL = new RegExp(`^(${Object.keys(dependencies).join('|')}|vmsift)($|/)`)

/** Files that hold a module, and all that it needs at once. What is loaded later only, by import(), is in files of its own. */
const FILES: readonly CodeSplittingGroup[] = [
  { name: 'commands', test: /\/src\/cli\/(program|list-command)\.ts$/ },
  { name: 'guest', test: /\/src\/(coordinator\/guest-base|introspect\/open)\.ts$/ },
  { name: 'windows', test: /\/src\/(os\/windows\/detect\/reopen|introspect\/windows-guest)\.ts$/ },
  { name: 'linux', test: /\/src\/(os\/linux\/detect\/reopen|introspect\/linux-guest)\.ts$/ },
]

rmSync('dist', { recursive: true, force: true })
// TypeScript 7 takes a fifth of the time; typedoc needs 6, which stands beside it
const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript-7/package.json')), 'bin/tsc')
const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], { stdio: 'inherit' })
if (status !== 0) process.exit(status ?? 1)

await bundle({ 'src/cli/main': 'src/cli/main.ts', 'src/index': 'src/index.ts' }, FILES)
// a thread loads all it needs from one file
await bundle({ 'workers/scan': 'workers/scan.ts' }, [])
writeFileSync('dist/LICENSES-OF-BUNDLED.md', Object.entries(BUNDLED).map(licenseOf).join('\n'))

async function bundle(input: Record<string, string>, groups: readonly CodeSplittingGroup[]): Promise<void> {
  await using build = await rolldown({
    input,
    platform: 'node',
    external: EXTERNAL,
    transform: { target: 'node20.19' },
    // some modules are loaded later by one command, and at once by another
    checks: { ineffectiveDynamicImport: false },
  })
  await build.write({
    dir: 'dist',
    format: 'esm',
    entryFileNames: '[name].js',
    // as deep as the folders of src, so that paths relative to a module stay right
    chunkFileNames: 'src/chunks/[name]-[hash].js',
    codeSplitting: { groups: [...groups] },
    comments: { legal: true, annotation: true, jsdoc: false },
    sourcemap: true,
    sourcemapExcludeSources: true,
  })
}

function licenseOf([name, file]: readonly [string, string]): string {
  const folder = `node_modules/${name}`
  const { version } = JSON.parse(readFileSync(`${folder}/package.json`, 'utf8')) as { version: string }
  return `# ${name} ${version}\n\n${readFileSync(`${folder}/${file}`, 'utf8').trim()}\n`
}

import path from 'node:path'
import { build } from 'esbuild'
import { CHECKOUT } from '../checkout.ts'
import type { Release } from '../release.ts'
import { ownCode } from './own-code.ts'

/** A program as one file of code. */
export interface Bundle {
  code: Buffer
  /** The files that are in it, relative to the checkout. */
  inputs: string[]
}

/** The programs that have an entry in ../programs. */
export type ProgramEntry = 'by-name' | 'muster' | 'musterctl'

/**
 * Bundles a program into one CommonJS file for Node 20.19 and later: the form that a single executable takes, and that
 * Node 20 loads without its lexer. It is not minified, so stack traces can be read.
 */
export async function bundleProgram(entry: ProgramEntry, release: NamedRelease): Promise<Bundle> {
  const { outputFiles, metafile } = await build({
    absWorkingDir: CHECKOUT,
    entryPoints: [path.join(CHECKOUT, 'packages', 'packaging', 'dist', 'programs', `${entry}.js`)],
    bundle: true,
    write: false,
    metafile: true,
    platform: 'node',
    target: 'node20.19',
    format: 'cjs',
    define: { 'import.meta.url': 'MUSTER_BUNDLE_URL', ...releaseNames(release) },
    banner: { js: "const MUSTER_BUNDLE_URL = require('node:url').pathToFileURL(__filename).href;" },
    plugins: [ownCode()],
    logLevel: 'warning',
  })
  return { code: Buffer.from(outputFiles[0]!.contents), inputs: inputsOf(metafile.outputs) }
}

/** What a program knows of its release. */
export type NamedRelease = Pick<Release, 'version' | 'commit'>

/** The names that a release has in code, each as a literal of JavaScript. */
export function releaseNames({ version, commit }: NamedRelease): Record<string, string> {
  return {
    MUSTER_VERSION: JSON.stringify(version),
    MUSTER_COMMIT: commit === undefined ? 'undefined' : JSON.stringify(commit),
  }
}

/** The files whose code is in these outputs of esbuild. */
export function inputsOf(outputs: Record<string, { inputs: Record<string, { bytesInOutput: number }> }>): string[] {
  const inputs = Object.values(outputs).flatMap((output) => Object.entries(output.inputs))
  return inputs.filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([file]) => file)
}

import { readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import type { ServiceName } from '@muster/domain'
import { build } from 'esbuild'
import { type PackedFile, textFile } from '../archive/packed.ts'
import { CHECKOUT } from '../checkout.ts'
import { type Bundle, inputsOf, type NamedRelease, releaseNames } from './bundle-program.ts'
import { FilesBeside } from './files-beside.ts'

/** A service as one file of code, and the files that it reads at run time, below `files/` beside it. */
export interface ServiceBundle extends Bundle {
  files: PackedFile[]
}

/** CommonJS packages in the bundle expect these names, which an ES module does not have. */
const BANNER = `import { createRequire as musterCreateRequire } from 'node:module';
const require = musterCreateRequire(import.meta.url);
const __filename = import.meta.filename;
const __dirname = import.meta.dirname;`

/** Bundles a service into one ES module for Node 20.19 and later. */
export async function bundleService(name: ServiceName, release: NamedRelease): Promise<ServiceBundle> {
  const beside = new FilesBeside()
  const { outputFiles, metafile } = await build({
    absWorkingDir: CHECKOUT,
    entryPoints: [path.join(CHECKOUT, 'services', name, 'dist', 'main.js')],
    bundle: true,
    write: false,
    metafile: true,
    platform: 'node',
    target: 'node20.19',
    format: 'esm',
    define: releaseNames(release),
    banner: { js: BANNER },
    // pg loads it only when PGNATIVE asks for it.
    external: ['pg-native'],
    plugins: beside.plugins(),
    logLevel: 'warning',
  })
  const code = Buffer.from(outputFiles[0]!.contents)
  const files = beside.sources().flatMap(({ source, target }) => filesAt(source, target))
  return { code, inputs: inputsOf(metafile.outputs), files }
}

function filesAt(source: string, target: string): PackedFile[] {
  if (!statSync(source).isDirectory()) return [textFile(target, readFileSync(source))]
  const names = readdirSync(source).sort()
  return names.flatMap((name) => filesAt(path.join(source, name), `${target}/${name}`))
}

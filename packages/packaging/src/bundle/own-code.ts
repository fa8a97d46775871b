import { readFile } from 'node:fs/promises'
import type { Plugin } from 'esbuild'

/** Compiled code of this workspace. */
const OWN = /[/\\](?:packages|services)[/\\][^/\\]+[/\\]dist[/\\].*\.js$/

/**
 * Lets esbuild see what our code loads by `createRequire(import.meta.url)('name')`, which it would leave to run time.
 * `rewrite` may change more of a file; `file` is its absolute path.
 */
export function ownCode(rewrite: (code: string, file: string) => string = (code) => code): Plugin {
  return {
    name: 'own code',
    setup({ onLoad }) {
      onLoad({ filter: OWN }, async ({ path: file }) => {
        const code = await readFile(file, 'utf8')
        const contents = rewrite(code.replaceAll('createRequire(import.meta.url)(', 'require('), file)
        return { contents, loader: 'js' }
      })
    },
  }
}

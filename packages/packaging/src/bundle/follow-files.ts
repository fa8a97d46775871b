import path from 'node:path'

/** A file or folder that a bundle reads at run time, and where it goes beside the bundle. */
export interface Beside {
  source: string
  target: string
}

/** `new URL('../name', import.meta.url)`: how our code finds a file of its package. */
const OWN_FILE = /new URL\((['"])(\.\.\/[\w./-]+)\1, import\.meta\.url\)/g
/** The folder of a package of this workspace. */
const PACKAGE = /^.*[/\\](?:packages|services)[/\\][^/\\]+(?=[/\\])/

/**
 * Makes compiled code of this workspace look for the files of its package below `files/` beside the bundle. `file` is the
 * path of the code. @throws Error when the code uses `import.meta` in another way, which would not work in a bundle
 */
export function followFiles(code: string, file: string): { code: string; beside: Beside[] } {
  const folder = PACKAGE.exec(file)![0]
  const beside: Beside[] = []
  const moved = code.replaceAll(OWN_FILE, (_whole, _quote, name: string) => {
    const source = path.resolve(path.dirname(file), name)
    const inPackage = path.relative(folder, source).replaceAll('\\', '/')
    if (inPackage.startsWith('..')) throw new Error(`${file} reads ${name}, which is not in its package`)
    const target = `files/${path.basename(folder)}/${inPackage}`
    beside.push({ source, target })
    return `new URL('./${target}', import.meta.url)`
  })
  if (/(?<!new URL\('\.\/files\/[^']*', )import\.meta/.test(moved)) {
    throw new Error(`${file} uses import.meta in a way that a bundle cannot follow; see CONTRIBUTING`)
  }
  return { code: moved, beside }
}

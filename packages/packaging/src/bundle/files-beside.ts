import { readFile } from 'node:fs/promises'
import path from 'node:path'
import type { Plugin } from 'esbuild'
import { type Beside, followFiles } from './follow-files.ts'
import { ownCode } from './own-code.ts'

/** Packages that read their .proto files from a folder of the package, which they find by `__dirname`. */
const PROTO_READERS =
  /[/\\]node_modules[/\\](@grpc[/\\](?:grpc-js|reflection)|grpc-health-check)[/\\](.*)[/\\][^/\\]+\.js$/

/** The way from `__dirname` to that folder. */
const PROTO_FOLDER = /__dirname[^\n]*?((?:\.\.\/)+proto)\b/

/** Finds the files that the code of a bundle reads from its package, and makes the code look for them beside the bundle. */
export class FilesBeside {
  #found = new Map<string, string>()

  plugins(): Plugin[] {
    return [ownCode((code, file) => this.#follow(code, file)), this.#protoReaders()]
  }

  /** What has to stand beside the bundle, after it was built. */
  sources(): Beside[] {
    return [...this.#found]
      .map(([target, source]) => ({ target, source }))
      .sort((a, b) => (a.target < b.target ? -1 : 1))
  }

  #follow(code: string, file: string): string {
    const followed = followFiles(code, file)
    for (const { source, target } of followed.beside) this.#found.set(target, source)
    return followed.code
  }

  #protoReaders(): Plugin {
    return {
      name: 'readers of proto files',
      setup: ({ onLoad }) => {
        onLoad({ filter: PROTO_READERS }, async ({ path: file }) => {
          const code = await readFile(file, 'utf8')
          const up = PROTO_FOLDER.exec(code)?.[1]
          if (up === undefined) return undefined
          const [, name, folder] = PROTO_READERS.exec(file)!.map((part) => part.replaceAll('\\', '/'))
          const target = `files/${name}`
          this.#found.set(path.posix.join(target, folder!, up), path.resolve(path.dirname(file), up))
          // The code goes up from the folder that it lies in, so that folder is named though it does not exist.
          const from = `(__dirname + ${JSON.stringify(`/${target}/${folder}`)})`
          return { contents: code.replaceAll('__dirname', from), loader: 'js' }
        })
      },
    }
  }
}

import { existsSync, readFileSync, readdirSync } from 'node:fs'
import path from 'node:path'

/** The root folder of the checkout. */
export const root = path.resolve(import.meta.dirname, '../../..')

/** A file of the checkout. `path` is relative to the root, with forward slashes. */
export interface File {
  path: string
  text: string
}

/** A package or service of the workspace: its folder, the name that others import, and its hand-written TypeScript. */
export interface Member {
  folder: string
  name: string
  sources: File[]
}

const SKIPPED = new Set(['node_modules', 'dist', 'gen', 'coverage', 'results'])

/** Every package, every service and `test/`, with its TypeScript files. Generated code and declarations are left out. */
export function readMembers(): Member[] {
  const folders = ['packages', 'services'].flatMap((group) =>
    readdirSync(path.join(root, group)).map((name) => `${group}/${name}`),
  )
  return [...folders, 'test'].filter(hasManifest).map((folder) => ({
    folder,
    name: (JSON.parse(read(`${folder}/package.json`)) as { name: string }).name,
    sources: filesBelow(folder, /(?<!\.d)\.ts$/),
  }))
}

/** Every Markdown file of the checkout. */
export function readDocuments(): File[] {
  return filesBelow('', /\.md$/)
}

/** Every SQL file of the packages and services. */
export function readSql(): File[] {
  return [...filesBelow('packages', /\.sql$/), ...filesBelow('services', /\.sql$/)]
}

/** Whether this code ships: it is neither a test nor made for tests or measurements. */
export function isProduct({ path: name }: File): boolean {
  return /^(packages|services)\/[^/]+\/src\//.test(name) && !name.endsWith('.test.ts') && !name.includes('/testkit/')
}

function filesBelow(folder: string, pattern: RegExp): File[] {
  return readdirSync(path.join(root, folder), { withFileTypes: true }).flatMap((entry): File[] => {
    const name = folder === '' ? entry.name : `${folder}/${entry.name}`
    if (entry.isDirectory()) return isSkipped(entry.name) ? [] : filesBelow(name, pattern)
    return entry.isFile() && pattern.test(name) ? [{ path: name, text: read(name) }] : []
  })
}

function isSkipped(folder: string): boolean {
  return SKIPPED.has(folder) || folder === '.git' || folder.startsWith('.muster')
}

function hasManifest(folder: string): boolean {
  return existsSync(path.join(root, folder, 'package.json'))
}

function read(name: string): string {
  return readFileSync(path.join(root, name), 'utf8')
}

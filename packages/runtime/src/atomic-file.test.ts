import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { assertRoom, createFileAtomic, ensureFolder, replaceFileAtomic, writeFileAtomic } from './atomic-file.ts'

let root: string
let folder: string
let file: string
let number = 0

beforeAll(async () => {
  root = await mkdtemp(path.join(os.tmpdir(), 'muster-file-'))
})
beforeEach(async () => {
  folder = path.join(root, String(++number))
  file = path.join(folder, 'file')
  await mkdir(folder)
})
afterAll(async () => {
  await rm(root, { recursive: true })
})

async function modeOf(target: string): Promise<string> {
  return ((await stat(target)).mode & 0o777).toString(8)
}

describe('replacing a file', () => {
  test('replacing a file leaves the new content, readable by its owner only unless told otherwise', async () => {
    await writeFile(file, 'old', { mode: 0o644 })
    await writeFileAtomic(file, 'new')
    expect(await readFile(file, 'utf8')).toBe('new')
    expect(await modeOf(file)).toBe('600')
    await writeFileAtomic(file, Buffer.from('public'), 0o644)
    expect(await modeOf(file)).toBe('644')
    expect(await readdir(folder)).toEqual(['file'])
  })

  test('replacing a file never shows a reader a mixture or an empty file', async () => {
    const contents = ['a', 'b', 'c'].map((letter) => letter.repeat(200_000))
    await writeFileAtomic(file, contents[0]!)
    const written = new AbortController()
    const writer = (async () => {
      for (let i = 0; i < 15; i++) await writeFileAtomic(file, contents[i % 3]!)
      written.abort()
    })()
    let reads = 0
    while (!written.signal.aborted) {
      expect(contents).toContain(await readFile(file, 'utf8'))
      reads += 1
    }
    await writer
    expect(reads).toBeGreaterThan(5)
  })

  test('replacing a file by another moves that one, with its mode', async () => {
    await writeFile(file, 'old', { mode: 0o644 })
    const next = path.join(folder, 'next')
    await writeFile(next, 'new', { mode: 0o600 })
    await replaceFileAtomic(file, next)
    expect(await readFile(file, 'utf8')).toBe('new')
    expect(await modeOf(file)).toBe('600')
    expect(await readdir(folder)).toEqual(['file'])
    await expect(replaceFileAtomic(file, next)).rejects.toMatchObject({ code: 'ENOENT' })
    expect(await readFile(file, 'utf8')).toBe('new')
  })

  test('a failed replacement leaves the old file, and no temporary file', async () => {
    await mkdir(file)
    await expect(writeFileAtomic(file, 'new')).rejects.toThrow()
    expect((await stat(file)).isDirectory()).toBe(true)
    expect(await readdir(folder)).toEqual(['file'])
    await expect(writeFileAtomic(path.join(folder, 'none', 'file'), 'new')).rejects.toThrow(
      `cannot write ${folder}/none/file: the folder ${folder}/none is not there`,
    )
  })
})

describe('creating a file', () => {
  test('creating a file leaves an existing file unchanged', async () => {
    await writeFile(file, 'old')
    expect(await createFileAtomic(file, 'new')).toBe(false)
    expect(await readFile(file, 'utf8')).toBe('old')
    expect(await readdir(folder)).toEqual(['file'])
  })

  test('creating a file lets one of many callers win, with its whole content', async () => {
    const made = await Promise.all(
      Array.from({ length: 16 }, async (_, i) => ({ won: await createFileAtomic(file, `maker ${i}`), i })),
    )
    const winners = made.filter(({ won }) => won)
    expect(winners).toHaveLength(1)
    expect(await readFile(file, 'utf8')).toBe(`maker ${winners[0]!.i}`)
    expect(await modeOf(file)).toBe('600')
    expect(await readdir(folder)).toEqual(['file'])
  })
})

describe('creating a folder', () => {
  test('creating a folder creates those above it, for its owner only, and keeps one that is there', async () => {
    const deep = path.join(folder, 'a/b/c')
    await Promise.all(Array.from({ length: 16 }, () => ensureFolder(deep)))
    expect(await modeOf(path.dirname(deep))).toBe('700')
    await ensureFolder(folder)
    expect(await readdir(folder)).toEqual(['a'])
  })

  test('creating a folder where nothing can be created fails, rather than try for ever', async () => {
    await writeFile(file, '')
    await expect(ensureFolder(file)).rejects.toThrow(`${file} exists already, and is no folder; move it away`)
    await expect(ensureFolder(`${file}/a/b`)).rejects.toThrow(`cannot create ${file}/a/b: ${file} is not a folder`)
    if (process.platform !== 'linux') return
    await expect(ensureFolder('/proc/foo/bar')).rejects.toThrow(
      'cannot create /proc/foo: the file system of /proc allows no new folders',
    )
  })

  test('a look for room leaves nothing behind, and names the folder that is gone', async () => {
    await assertRoom(folder)
    expect(await readdir(folder)).toEqual([])
    await expect(assertRoom(path.join(folder, 'gone'))).rejects.toThrow(`the folder ${folder}/gone is not there`)
  })
})

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { list } from 'tar'
import { type Packed, programFile, textFile } from './packed.ts'
import { tarGzOf, tarOf } from './tar.ts'

const date = new Date('2026-01-02T03:04:05Z')
const packed: Packed[] = [
  textFile('top/notes.txt', 'x'.repeat(513)),
  programFile('top/bin/ship', '#!/bin/sh\n'),
  { path: 'top/bin/boat', target: 'ship' },
]
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'muster-tar-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function entriesOf(archive: Buffer): Promise<unknown[]> {
  const file = path.join(folder, 'archive')
  await writeFile(file, archive)
  const found: unknown[] = []
  await list({
    file,
    strict: true,
    onReadEntry: ({ path: name, type, mode, size, linkpath, mtime, uid, gid }) =>
      found.push([name, type, mode?.toString(8), size, linkpath, mtime?.toISOString(), uid, gid]),
  })
  return found
}

test('an archive holds the folders, files and links in the order of their paths, all with the date and of root', async () => {
  const when = '2026-01-02T03:04:05.000Z'
  const expected = [
    ['./', 'Directory', '755', 0, undefined, when, 0, 0],
    ['./top/', 'Directory', '755', 0, undefined, when, 0, 0],
    ['./top/bin/', 'Directory', '755', 0, undefined, when, 0, 0],
    ['./top/bin/boat', 'SymbolicLink', '777', 0, 'ship', when, 0, 0],
    ['./top/bin/ship', 'File', '755', 10, undefined, when, 0, 0],
    ['./top/notes.txt', 'File', '644', 513, undefined, when, 0, 0],
  ]
  expect(await entriesOf(tarOf(packed, date, './'))).toEqual(expected)
  expect(await entriesOf(await tarGzOf(packed, date, './'))).toEqual(expected)
})

test('the same files give the same bytes in whatever order they come', async () => {
  const again = await tarGzOf(packed.toReversed(), date)
  expect(again.equals(await tarGzOf(packed, date))).toBe(true)
})

test('a path that is too long for a header is rejected', () => {
  expect(() => tarOf([textFile('x'.repeat(300), '')], date)).toThrow('too long for a tar header')
})

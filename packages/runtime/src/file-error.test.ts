import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { whyUnreadable } from './file-error.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'muster-unreadable-'))
  await writeFile(path.join(folder, 'a-file'), '')
})
afterAll(() => rm(folder, { recursive: true }))

async function why(name: string): Promise<string> {
  const file = path.join(folder, name)
  return readFile(file, 'utf8').catch((error: unknown) => whyUnreadable(file, error).replaceAll(folder, '~'))
}

describe('a file that could not be read', () => {
  test.each([
    ['is not there', 'none', 'there is no file ~/none'],
    ['would be below a file', 'a-file/b', 'there is no file ~/a-file/b'],
    ['is a folder', '.', '~ is a folder'],
    ['has a name that is too long', 'x'.repeat(300), `cannot read ~/${'x'.repeat(300)}: ENAMETOOLONG`],
  ])('the error for a file that %s says why it could not be read', async (_what, name, message) => {
    expect(await why(name)).toBe(message)
  })

  // Tests may run as root, who can open every file.
  test('the error for a file that belongs to others says that permission is missing', () => {
    const denied = Object.assign(new Error('EACCES: permission denied, open'), { code: 'EACCES' })
    expect(whyUnreadable('/a/file', denied)).toBe('there is no permission to read /a/file')
  })
})

import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from '@jest/globals'

const root = path.resolve(import.meta.dirname, '../..')
const rows = readFileSync(path.join(root, 'docs/lessons.md'), 'utf8')
  .split('\n')
  .filter((line) => /^\| \d+ /.test(line))

describe('docs/lessons.md', () => {
  test('docs/lessons.md has all 22 lessons', () => {
    expect(rows.map((row) => Number(row.split('|')[1]))).toEqual(Array.from({ length: 22 }, (_, i) => i + 1))
  })

  test.each(rows.map((row) => [row.split('|')[1]!.trim(), row]))('lesson %s names tests that exist', (_number, row) => {
    const named = [...row.matchAll(/`([^`]+\.test\.ts)`: "([^"]+)"/g)]
    expect(named.length).toBeGreaterThan(0)
    for (const [, file, title] of named) {
      expect(readFileSync(path.join(root, file!), 'utf8')).toContain(`'${title}'`)
    }
  })
})

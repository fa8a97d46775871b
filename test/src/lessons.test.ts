import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from '@jest/globals'

const root = path.resolve(import.meta.dirname, '../..')
const rows = readFileSync(path.join(root, 'docs/lessons.md'), 'utf8')
  .split('\n')
  .filter((line) => /^\| \d+ /.test(line))

describe('docs/lessons.md', () => {
  test('docs/lessons.md numbers its lessons from 1 without a gap', () => {
    expect(rows.map((row) => Number(row.split('|')[1]))).toEqual(rows.map((_, i) => i + 1))
    expect(rows.length).toBeGreaterThanOrEqual(29)
  })

  test.each(rows.map((row) => [row.split('|')[1]!.trim(), row]))('lesson %s names tests that exist', (_number, row) => {
    const named = [...row.matchAll(/`([^`]+\.test\.ts)`: "([^"]+)"/g)]
    expect(named.length).toBeGreaterThan(0)
    for (const [, file, title] of named) {
      expect(readFileSync(path.join(root, file!), 'utf8')).toContain(`'${title}'`)
    }
  })
})

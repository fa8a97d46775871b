import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from '@jest/globals'
import { REASONS, type ReasonInfo } from '@muster/domain'
import { root } from './repository.ts'

interface ErrorsDoc {
  errorsDocument(reasons: Record<string, ReasonInfo>): string
}

test('docs/errors.md is generated from the table of reasons', async () => {
  const script = path.join(root, 'scripts', 'errors-doc.mjs')
  const { errorsDocument } = (await import(script)) as ErrorsDoc
  const document = readFileSync(path.join(root, 'docs', 'errors.md'), 'utf8')
  // If this fails: npm run gen
  expect(document).toBe(errorsDocument(REASONS))
})

import { existsSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { KNOWN } from './known.ts'
import { repeatedExports, undocumentedExports } from './exports.ts'
import { importCircles } from './imports.ts'
import { brokenLinks } from './links.ts'
import { isProduct, readDocuments, readMembers, readSql, root } from './repository.ts'

const MAX_FILES = 16
const MAX_LINES = 350

const members = readMembers()
const sources = members.flatMap((member) => member.sources)
const shipped = members.map((member) => ({ ...member, sources: member.sources.filter(isProduct) }))
const product = shipped.flatMap((member) => member.sources)
const documents = readDocuments()

describe('the house', () => {
  test('reads the checkout, so that no rule passes for want of files', () => {
    expect(members.length).toBeGreaterThan(15)
    expect(product.length).toBeGreaterThan(300)
    expect(documents.length).toBeGreaterThan(30)
  })

  test(`no folder has more than ${MAX_FILES} source files, folders of commands apart`, () => {
    const folders = product
      .map((file) => path.posix.dirname(file.path))
      .filter((folder) => !folder.includes('/commands'))
    const full = [...new Set(folders)].filter((folder) => folders.filter((one) => one === folder).length > MAX_FILES)
    expectOnly(full, KNOWN.fullFolders)
  })

  test(`no source file has more than ${MAX_LINES} lines`, () => {
    const long = sources.filter((file) => file.text.split('\n').length - 1 > MAX_LINES)
    expectOnly(
      long.map((file) => file.path),
      KNOWN.longFiles,
    )
  })

  test('no files import each other in a circle', () => {
    expectOnly(importCircles(members), KNOWN.circles)
  })

  test('no two files of a package export the same name', () => {
    expectOnly(shipped.flatMap(repeatedExports), KNOWN.repeatedExports)
  })

  test('every export of product code has a doc comment', () => {
    expectOnly(shipped.flatMap(undocumentedExports), KNOWN.undocumented)
  })

  test('every package and every service has a README', () => {
    const folders = members.map((member) => member.folder)
    expectOnly(
      folders.filter((folder) => !existsSync(path.join(root, folder, 'README.md'))),
      KNOWN.withoutReadme,
    )
  })

  test('every relative link in a document leads to a file, and to a heading where it names one', () => {
    expectOnly(
      documents.flatMap((document) => brokenLinks(document, documents)),
      KNOWN.brokenLinks,
    )
  })

  test('no SQL selects or returns all columns', () => {
    const files = [...sources, ...readSql()].filter((file) => /\b(select|returning)\s+(\w+\.)?\*/i.test(file.text))
    expectOnly(
      files.map((file) => file.path).filter((name) => !name.includes('/house/')),
      KNOWN.selectAll,
    )
  })

  test('packages/audit alone writes to the table of audit events', () => {
    const pattern = /\b(insert into|update|delete from)\s+audit_events\b/i
    const files = [...product, ...readSql()].filter((file) => pattern.test(file.text)).map((file) => file.path)
    expect(files).toContain('packages/audit/migrations/0001_audit_events.sql')
    expect(files.filter((name) => !name.startsWith('packages/audit/'))).toEqual([])
  })
})

/** Fails on a violation that is not known, and on a known one that is gone: the lists in known.ts can only shrink. */
function expectOnly(violations: readonly string[], known: readonly string[]): void {
  const unknown = violations.filter((violation) => !known.includes(violation))
  const gone = known.filter((exception) => !violations.includes(exception))
  expect({ violations: unknown, 'no longer needed in known.ts': gone }).toEqual({
    violations: [],
    'no longer needed in known.ts': [],
  })
}

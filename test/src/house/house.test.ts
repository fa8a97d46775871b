import { existsSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from '@jest/globals'
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
  test('the checkout is found, so that no rule passes because files are missing', () => {
    expect(members.length).toBeGreaterThan(15)
    expect(product.length).toBeGreaterThan(300)
    expect(documents.length).toBeGreaterThan(30)
  })

  test(`no folder has more than ${MAX_FILES} source files, folders of commands apart`, () => {
    const folders = product
      .map((file) => path.posix.dirname(file.path))
      .filter((folder) => !folder.includes('/commands'))
    const full = [...new Set(folders)].filter((folder) => folders.filter((one) => one === folder).length > MAX_FILES)
    expect(full).toEqual([])
  })

  test(`no source file has more than ${MAX_LINES} lines`, () => {
    const long = sources.filter((file) => file.text.split('\n').length - 1 > MAX_LINES)
    expect(long.map((file) => file.path)).toEqual([])
  })

  test('no files import each other in a circle', () => {
    expect(importCircles(members)).toEqual([])
  })

  test('no two files of a package export the same name', () => {
    expect(shipped.flatMap(repeatedExports)).toEqual([])
  })

  test('every export of product code has a doc comment', () => {
    expect(shipped.flatMap(undocumentedExports)).toEqual([])
  })

  test('every package and every service has a README', () => {
    const folders = members.map((member) => member.folder)
    expect(folders.filter((folder) => !existsSync(path.join(root, folder, 'README.md')))).toEqual([])
  })

  test('every relative link in a document leads to a file, and to a heading where it names one', () => {
    expect(documents.flatMap((document) => brokenLinks(document, documents))).toEqual([])
  })

  test('no two decision records, and no two migrations of a service, have the same number', () => {
    const numbered = [...documents, ...readSql()].map((file) => file.path).filter((file) => /\/\d{4}[-_]/.test(file))
    const numbers = numbered.map((file) => /^(?:.*\/)\d{4}/.exec(file)![0])
    expect(numbers.length).toBeGreaterThan(40)
    expect(numbered.filter((_, i) => numbers.indexOf(numbers[i]!) !== i)).toEqual([])
  })

  test('no SQL selects or returns all columns', () => {
    const files = [...sources, ...readSql()].filter((file) => /\b(select|returning)\s+(\w+\.)?\*/i.test(file.text))
    expect(files.map((file) => file.path).filter((name) => !name.includes('/house/'))).toEqual([])
  })

  test('packages/audit alone writes to the table of audit events', () => {
    const pattern = /\b(insert into|update|delete from)\s+audit_events\b/i
    const files = [...product, ...readSql()].filter((file) => pattern.test(file.text)).map((file) => file.path)
    expect(files).toContain('packages/audit/migrations/0001_audit_events.sql')
    expect(files.filter((name) => !name.startsWith('packages/audit/'))).toEqual([])
  })
})

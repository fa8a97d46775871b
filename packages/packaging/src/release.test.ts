import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { VERSION } from '@muster/runtime'
import { readRelease } from './release.ts'

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'muster-release-'))
})
afterAll(() => rm(folder, { recursive: true }))

test('files have the date of SOURCE_DATE_EPOCH', () => {
  expect(readRelease({ SOURCE_DATE_EPOCH: '1000000000' }).date).toEqual(new Date('2001-09-09T01:46:40Z'))
})

test('a SOURCE_DATE_EPOCH that is no number is rejected by name', () => {
  expect(() => readRelease({ SOURCE_DATE_EPOCH: 'today' })).toThrow(
    'SOURCE_DATE_EPOCH must be seconds since 1970: today',
  )
})

test('a checkout without git has no commit, and always the same date', () => {
  expect(readRelease({}, folder)).toEqual({
    version: VERSION,
    commit: undefined,
    date: new Date('1980-01-01T00:00:00Z'),
  })
})

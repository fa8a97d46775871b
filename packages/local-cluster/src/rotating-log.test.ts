import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { eventually } from '@muster/testkit'
import { openLog } from './rotating-log.ts'

const LIMITS = { maxBytes: 100, keep: 3 }
let folder: string
let file: string

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'muster-log-'))
  file = path.join(folder, 'service.log')
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

/** A line of ten bytes with its end. */
const line = (n: number) => `line ${String(n).padStart(4, '0')}`

function written(): string[] {
  return ['.3', '.2', '.1', '']
    .map((suffix) => file + suffix)
    .filter((name) => readdirSync(folder).includes(path.basename(name)))
    .flatMap((name) => readFileSync(name, 'utf8').split('\n').slice(0, -1))
}

describe('the log of a service', () => {
  test('the log of a service moves to .1 once it is full, while the service runs, and loses no line', async () => {
    const log = openLog(file, LIMITS)
    for (let i = 0; i < 25; i++) log.write(line(i))
    log.end()
    await eventually('written', () => written().length === 25)
    expect(written()).toEqual(Array.from({ length: 25 }, (_, i) => line(i)))
    expect(readdirSync(folder).toSorted()).toEqual(['service.log', 'service.log.1', 'service.log.2'])
  })

  test('the log of a service keeps three full files and the current one, however long the service runs', async () => {
    const log = openLog(file, LIMITS)
    for (let i = 0; i < 95; i++) log.write(line(i))
    log.end()
    await eventually('written', () => written().length === 35)
    expect(written().at(0)).toBe(line(60))
    expect(readdirSync(folder)).toHaveLength(4)
  })

  test('the log of a service continues in the file of an earlier run, and counts its content', async () => {
    appendFileSync(file, `${'x'.repeat(98)}\n`)
    const log = openLog(file, LIMITS)
    log.write(line(1))
    log.write(line(2))
    log.end()
    await eventually('written', () => written().at(-1) === line(2))
    expect(readFileSync(`${file}.1`, 'utf8')).toBe(`${'x'.repeat(98)}\n${line(1)}\n`)
  })

  test('the log of a service is readable by its owner only', () => {
    const log = openLog(file, LIMITS)
    log.end()
    const { mode } = statSync(file)
    expect(mode & 0o777).toBe(0o600)
  })

  const testWithFullDisk = existsSync('/dev/full') ? test : test.skip
  testWithFullDisk('the log of a service goes on once the full disk has room again', async () => {
    symlinkSync('/dev/full', file)
    const log = openLog(file, LIMITS)
    log.write(line(1))
    rmSync(file)
    await eventually('written', () => {
      log.write(line(2))
      return existsSync(file) && readFileSync(file, 'utf8').includes(line(2))
    })
    log.end()
  })
})

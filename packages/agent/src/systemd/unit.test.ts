import { describe, expect, test } from '@jest/globals'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { testWith } from '@muster/testkit/tools'
import { UNIT, unitText } from './unit.ts'

/** Its major version, 0 where there is none. An older one cannot judge a unit that is not installed. */
const analyzer = Number(
  /^systemd (\d+)/.exec(spawnSync('systemd-analyze', ['--version'], { encoding: 'utf8' }).stdout)?.[1] ?? 0,
)
const testWithAnalyze = testWith(analyzer >= 250, 'systemd-analyze 250 or newer')

/** Gives the unit of this program, which exists, to systemd-analyze. */
function analyze(...args: string[]) {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'muster-unit-'))
  try {
    const file = path.join(folder, UNIT)
    writeFileSync(file, unitText([process.execPath]))
    const { status, stdout, stderr } = spawnSync('systemd-analyze', [...args, file], { encoding: 'utf8' })
    return { status, stdout, stderr }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

describe('the unit', () => {
  testWithAnalyze('systemd finds nothing wrong with the unit', () => {
    expect(analyze('verify', '--man=no')).toEqual({ status: 0, stdout: '', stderr: '' })
  })

  testWithAnalyze('the exposure of the unit is below 3 of 10', () => {
    const { status, stdout } = analyze('security', '--offline=yes', '--threshold=30')
    expect(stdout).toMatch(/Overall exposure level for muster.service: [12]\.\d OK/)
    expect(status).toBe(0)
  })

  test.each([
    [['/usr/bin/muster'], '/usr/bin/muster start'],
    [['/opt/my node/100%$', '/opt/a"b\\c'], '"/opt/my node/100%%$$" "/opt/a\\"b\\\\c" start'],
  ])('the unit runs %j as systemd reads command lines', (program, expected) => {
    expect(unitText(program)).toContain(`\nExecStart=${expected}\n`)
  })
})

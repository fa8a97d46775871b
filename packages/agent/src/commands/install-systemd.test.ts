import { beforeEach, afterEach, describe, expect, test } from '@jest/globals'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { main } from '../cli.ts'
import { refuseHidden } from '../systemd/own-program.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(path.join(os.tmpdir(), 'muster-install-'))
})
afterEach(() => {
  rmSync(root, { recursive: true })
})

async function run(...argv: string[]) {
  const ran = { stdout: '', stderr: '' }
  const keep = (name: keyof typeof ran) => ({ write: (text: string) => (ran[name] += text) })
  const io = { stdout: keep('stdout'), stderr: keep('stderr'), env: {}, cwd: root }
  return { status: await main(argv, io), ...ran }
}

const install = (...flags: string[]) => run('install', 'systemd', `--root=${root}`, ...flags)
const uninstall = (...flags: string[]) => run('uninstall', 'systemd', `--root=${root}`, ...flags)
const unitFile = () => path.join(root, 'etc/systemd/system/muster.service')

function put(file: string, text: string): void {
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(file, text)
}

describe('muster install systemd', () => {
  test('the unit is written for this program, again with no change, and removed', async () => {
    expect(await install('--dry-run')).toMatchObject({ status: 0, stdout: expect.stringContaining('Would write') })
    expect(existsSync(unitFile())).toBe(false)
    expect(await install()).toMatchObject({ status: 0, stdout: `Wrote ${unitFile()}.\n`, stderr: '' })
    const text = readFileSync(unitFile(), 'utf8')
    expect(text).toContain(`ExecStart=${process.execPath} `)
    expect((await run('install', 'systemd', '-o', 'stdout')).stdout).toBe(text)
    expect(statSync(unitFile()).mode & 0o777).toBe(0o644)
    expect((await install()).stdout).toContain('is as it should be; nothing was changed')
    expect((await uninstall('--dry-run')).stdout).toBe(`Would remove ${unitFile()}.\n`)
    expect((await uninstall()).stdout).toContain(`Removed ${unitFile()}. The identity stays`)
    expect(existsSync(unitFile())).toBe(false)
    expect(await uninstall()).toMatchObject({ status: 0, stdout: expect.stringContaining('nothing was changed') })
  })

  test('a unit of an earlier version is replaced', async () => {
    await install()
    const text = readFileSync(unitFile(), 'utf8')
    writeFileSync(unitFile(), text.replace('RestartSec', 'TimeoutSec'))
    expect((await install()).stdout).toContain('Wrote')
    expect(readFileSync(unitFile(), 'utf8')).toBe(text)
  })

  test('a unit that somebody else wrote is neither replaced nor removed without --force', async () => {
    put(unitFile(), '[Service]\nExecStart=/opt/other\n')
    for (const refused of [await install(), await uninstall()]) {
      expect([refused.status, refused.stderr]).toEqual([1, expect.stringMatching(/not written by muster.*\n.*--force/)])
    }
    expect(readFileSync(unitFile(), 'utf8')).toContain('/opt/other')
    expect((await install('--force')).status).toBe(0)
    expect(readFileSync(unitFile(), 'utf8')).not.toContain('/opt/other')
  })

  test('the unit of a package that runs the same program is enough, and another is named', async () => {
    const packaged = path.join(root, 'usr/lib/systemd/system/muster.service')
    put(packaged, (await run('install', 'systemd', '-o', 'stdout')).stdout)
    expect((await install()).stdout).toBe(`${packaged} runs this program already; nothing was changed.\n`)
    expect(existsSync(unitFile())).toBe(false)
    put(packaged, '[Service]\nExecStart=/usr/bin/muster start\n')
    expect((await install()).stdout).toContain(`It takes precedence over ${packaged}.`)
    await uninstall()
    expect((await uninstall()).stdout).toContain(`${packaged} goes with its package.`)
  })

  test.each(['/root/muster', '/home/a/bin/muster', '/tmp/muster'])(
    'a program that the unit cannot reach is refused: %s',
    (file) => {
      expect(() => refuseHidden(['/usr/bin/node', file])).toThrow(
        `${file} is in a folder that the service must not read`,
      )
      expect(() => refuseHidden(['/usr/bin/node', '/homely/muster'])).not.toThrow()
    },
  )
})

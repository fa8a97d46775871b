import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { openAgentLog, type LogSettings } from './agent-log.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'muster-agent-log-'))
})
afterAll(() => {
  rmSync(folder, { recursive: true })
})

/** Opens a log, and writes one entry of each severity. */
function write(settings: Partial<LogSettings>) {
  const texts = { stdout: '', stderr: '' }
  const output = (name: keyof typeof texts) => ({ write: (text: string) => (texts[name] += text) })
  const log = openAgentLog(settings, { stdout: output('stdout'), stderr: output('stderr'), env: {} })
  const writeBoth = () => {
    log.info({ event: 'certificate.renewed' }, 'online')
    log.warn({ err: new Error('no connection') }, 'trying again')
  }
  writeBoth()
  return { texts, writeBoth }
}

describe('the log of the agent', () => {
  test('the log goes to standard error as lines for people unless the settings say otherwise', () => {
    const { stdout, stderr } = write({}).texts
    expect(stderr).toMatch(/^\S+ info online\n\S+ warn trying again: no connection\n$/)
    expect(stdout).toBe('')
    expect(write({ output: 'stdout' }).texts).toEqual({ stdout: expect.stringContaining('info online'), stderr: '' })
  })

  test('the severity of the log leaves out what is below it', () => {
    expect(write({ severity: 'warn' }).texts.stderr).toMatch(/^\S+ warn .*\n$/)
    expect(write({ severity: 'error' }).texts.stderr).toBe('')
  })

  test('the log in JSON has one object a line, with the fields of the entry and the message of the error', () => {
    const [info, warn] = write({ format: 'json' }).texts.stderr.trim().split('\n')
    expect(JSON.parse(info!)).toEqual({
      time: expect.any(String),
      level: 'info',
      msg: 'online',
      event: 'certificate.renewed',
    })
    expect(JSON.parse(warn!)).toMatchObject({ level: 'warn', msg: 'trying again', error: 'no connection' })
  })

  test('the log in a file is appended to, and a renamed file is replaced by a new one', () => {
    const file = path.join(folder, 'agent.log')
    const { writeBoth } = write({ output: file })
    renameSync(file, `${file}.1`)
    writeBoth()
    writeBoth()
    const linesOf = (name: string) => readFileSync(name, 'utf8').trim().split('\n')
    expect([linesOf(`${file}.1`).length, linesOf(file).length]).toEqual([2, 4])
  })

  test('a log file that cannot be written is reported once, and the entries go to standard error', () => {
    const { stderr } = write({ output: path.join(folder, 'none', 'agent.log') }).texts
    expect(stderr.match(/cannot be written/g)).toHaveLength(1)
    expect(stderr).toContain('info online')
    expect(stderr).toContain('warn trying again')
  })
})

import { describe, expect, test } from '@jest/globals'
import { fstatSync } from 'node:fs'
import { main } from '../cli.ts'
import { openAgentLog } from '../config/agent-log.ts'

/** What JOURNAL_STREAM is for a process whose standard error is that of this one. */
function streamOf(descriptor: number): string {
  const { dev, ino } = fstatSync(descriptor, { bigint: true })
  return `${dev}:${ino}`
}

function linesFor(env: Record<string, string>, format: 'text' | 'json' = 'text'): string {
  let stderr = ''
  const log = openAgentLog({ format }, { stdout: { write() {} }, stderr: { write: (text) => (stderr += text) }, env })
  log.info({}, 'online')
  log.warn({ err: new Error('no connection') }, 'trying again')
  return stderr
}

describe('the log for the journal of systemd', () => {
  test('a line has its priority in place of the time, which the journal has', () => {
    expect(linesFor({ JOURNAL_STREAM: streamOf(2) })).toBe('<6>online\n<4>trying again: no connection\n')
  })

  test.each(['', '1:1', 'no numbers'])('a line for another reader has the time: JOURNAL_STREAM=%j', (stream) => {
    expect(linesFor({ JOURNAL_STREAM: stream })).toMatch(/^\d{4}-\S+Z info online\n\S+Z warn trying again/)
  })

  test('the reason why the agent ends has the priority of an error, on each line', async () => {
    const env = { JOURNAL_STREAM: streamOf(2), MUSTER_AGENT_CONFIG_FILE: '/dev/null' }
    let stderr = ''
    const io = { stdout: { write() {} }, stderr: { write: (text: string) => (stderr += text) }, env, cwd: '/' }
    expect(await main(['start', '--roles=king'], io)).toBe(2)
    expect(stderr).toMatch(/^<3>muster: --roles.*\n<3>'muster start --help' shows how it is used\.\n$/)
  })

  test('a log in JSON stays JSON', () => {
    expect(linesFor({ JOURNAL_STREAM: streamOf(2) }, 'json')).toMatch(/^\{"time":/)
  })
})

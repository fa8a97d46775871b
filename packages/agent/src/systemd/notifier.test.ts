import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { formatInvitation } from '@muster/domain'
import { createLineLog } from '@muster/runtime'
import { eventually } from '@muster/testkit'
import { NODE_TOKEN, startTestRegistration, type TestRegistration } from '../../test/support/registration.ts'
import { main } from '../cli.ts'
import { systemdNotifier } from './notifier.ts'

let folder: string
let server: TestRegistration
beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'muster-notify-'))
  server = await startTestRegistration()
})
afterEach(async () => {
  await server.close()
  await rm(folder, { recursive: true })
})

/** The environment of a unit whose systemd-notify writes what it is told into a file. */
async function unitEnv(): Promise<Record<string, string>> {
  const script = `#!/bin/sh\nprintf '%s\\n' "$@" >>${path.join(folder, 'told')}\n`
  await writeFile(path.join(folder, 'systemd-notify'), script, { mode: 0o755 })
  return { PATH: `${folder}:/usr/bin:/bin`, NOTIFY_SOCKET: '/run/systemd/notify' }
}

async function told(): Promise<string[]> {
  const file = path.join(folder, 'told')
  return existsSync(file) ? (await readFile(file, 'utf8')).trim().split('\n') : []
}

describe('the notifications to systemd', () => {
  test('the agent says that it is ready once it has joined, whether it is online, and that it stops', async () => {
    const { address, pin } = server
    const invitation = formatInvitation({ address, token: NODE_TOKEN, caPins: [pin], roles: ['node'] })
    const stop = new AbortController()
    const silent = { write() {} }
    const ended = main(['start', invitation, `--data-dir=${folder}/data`, '--config=/dev/null'], {
      stdout: silent,
      stderr: silent,
      env: await unitEnv(),
      cwd: folder,
      signal: stop.signal,
    })
    await eventually('online', async () => (await told()).some((line) => line.endsWith('; online')))
    await server.close()
    await eventually('away', async () => (await told()).some((line) => line.includes('cannot be reached')))
    stop.abort()
    expect(await ended).toBe(0)
    const lines = await told()
    expect(lines.at(-1)).toBe('STOPPING=1')
    expect(lines[0]).toBe('READY=1')
    expect(lines[1]).toMatch(/^STATUS=node [0-9a-f-]{36} \(node\) of \S+$/)
    expect(lines[2]).toBe(`${lines[1]}; online`)
    expect(lines[3]).toMatch(/; the cluster cannot be reached: /)
  })

  test('an agent that no unit runs starts no other program', async () => {
    const { PATH } = await unitEnv()
    const notifier = systemdNotifier(
      { PATH },
      createLineLog(() => {}),
    )
    notifier.ready()
    await notifier.stopping()
    const marked = systemdNotifier(
      await unitEnv(),
      createLineLog(() => {}),
    )
    marked.status('two\nlines')
    marked.status('two\nlines')
    marked.status('the end')
    await marked.stopping()
    expect(await told()).toEqual(['STATUS=two lines', 'STATUS=the end', 'STOPPING=1'])
  })

  test('a machine without systemd-notify is warned of once', async () => {
    const lines: string[] = []
    const log = createLineLog((line) => lines.push(line))
    const notifier = systemdNotifier({ PATH: folder, NOTIFY_SOCKET: '/run/systemd/notify' }, log)
    notifier.ready()
    notifier.status('one')
    notifier.status('two')
    await notifier.stopping()
    expect(lines).toEqual([expect.stringMatching(/warn systemd cannot be notified: .*systemd-notify/)])
  })
})

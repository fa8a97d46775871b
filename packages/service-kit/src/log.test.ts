import { spawn } from 'node:child_process'
import { describe, expect, test } from '@jest/globals'
import { createLineLog } from '@muster/runtime'
import { createLogger } from './log.ts'

describe('the log of a service', () => {
  test('the log of a service is JSON lines with service, level by name, time and event', () => {
    const lines: string[] = []
    const log = createLogger('ca-service', 'info', { write: (line) => void lines.push(line) })
    log.info({ event: 'node.joined', nodeId: 'n-1' }, 'a node joined')
    log.debug({}, 'not said at this level')
    expect(lines).toHaveLength(1)
    expect(JSON.parse(lines[0]!)).toMatchObject({
      level: 'info',
      service: 'ca-service',
      event: 'node.joined',
      nodeId: 'n-1',
      msg: 'a node joined',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
    })
  })

  test.each(['token', 'value', 'secret', 'password', 'pepper', 'key', 'privateKey', 'keyPem', 'csr', 'csrDer'])(
    'the log of a service omits a field named %s, also inside another',
    (field) => {
      const lines: string[] = []
      const log = createLogger('test', 'debug', { write: (line) => void lines.push(line) })
      log.info({ [field]: 'CANARY', request: { [field]: 'CANARY' } }, 'x')
      log.child({ [field]: 'CANARY' }).debug({}, 'y')
      expect(lines).toHaveLength(2)
      expect(lines.join('')).not.toContain('CANARY')
    },
  )
})

describe('an error in the log', () => {
  test('an error in the log has its class, message, code and stack, and those of its causes', () => {
    const lines: string[] = []
    const log = createLogger('test', 'info', { write: (line) => void lines.push(line) })
    const cause = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })
    log.warn({ err: new TypeError('no database', { cause }) }, 'x')
    expect(JSON.parse(lines[0]!)).toMatchObject({
      err: {
        type: 'TypeError',
        message: 'no database',
        stack: expect.stringContaining('log.test.ts'),
        cause: { type: 'Error', message: 'refused', code: 'ECONNREFUSED' },
      },
    })
  })

  test('an error in the log has no other value that a library attached to it', () => {
    const lines: string[] = []
    const log = createLogger('test', 'info', { write: (line) => void lines.push(line) })
    const command = { name: 'auth', args: ['CANARY'] }
    const cause = Object.assign(new Error('below'), { command, connection: { params: 'CANARY' } })
    log.warn({ err: Object.assign(new Error('lost', { cause }), { command, previousErrors: [cause] }) }, 'x')
    expect(lines[0]).toContain('below')
    expect(lines[0]).not.toContain('CANARY')
  })

  test('an error in the log may be its own cause, or not an Error', () => {
    const lines: string[] = []
    const log = createLogger('test', 'info', { write: (line) => void lines.push(line) })
    const circle = new Error('circle')
    circle.cause = circle
    log.warn({ err: circle }, 'x')
    log.warn({ err: 'only text' }, 'y')
    expect(lines).toHaveLength(2)
    expect(JSON.parse(lines[1]!)).toMatchObject({ err: 'only text' })
  })
})

describe('the log of a program for people', () => {
  test('the log of a program for people is one line per entry, whatever an error says', () => {
    const lines: string[] = []
    const log = createLineLog(
      (line) => lines.push(line),
      () => new Date('2026-01-02T03:04:05Z'),
    )
    log.info({ nodeId: 'n-1' }, 'online')
    log.warn({ err: new Error('two\nlines') }, 'could not join')
    expect(lines).toEqual([
      '2026-01-02T03:04:05.000Z info online\n',
      '2026-01-02T03:04:05.000Z warn could not join: two lines\n',
    ])
  })
})

describe('a service whose log has no reader', () => {
  test('a service whose log has no reader stops on a signal', async () => {
    const program = `
      import { createLogger } from '../dist/index.js'
      const log = createLogger('test', 'info')
      process.on('SIGTERM', () => {
        log.info({}, 'stopping')
        setImmediate(() => process.exit(7))
      })
      setInterval(() => {}, 1000)
      log.info({}, 'ready')`
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      cwd: import.meta.dirname,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const exited = new Promise((resolve) => child.once('exit', resolve))
    await new Promise((resolve) => child.stdout.once('data', resolve))
    child.stdout.destroy()
    child.kill('SIGTERM')
    expect(await exited).toBe(7)
  })
})

import { describe, expect, test } from '@jest/globals'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Lifecycle } from './lifecycle.ts'
import { createLogger } from '@muster/service-kit'

describe('a lifecycle', () => {
  test('a lifecycle closes in the reverse order of opening, one after the other', async () => {
    const life = new Lifecycle()
    const events: string[] = []
    for (const name of ['database', 'identity', 'server']) {
      life.own(name, name, async () => {
        events.push(`${name} closes`)
        await nextTurn()
        events.push(`${name} closed`)
      })
    }
    await life.close()
    expect(events).toEqual([
      'server closes',
      'server closed',
      'identity closes',
      'identity closed',
      'database closes',
      'database closed',
    ])
  })

  test('a lifecycle returns what it was given, and closes it', async () => {
    const life = new Lifecycle()
    const pool = { open: true }
    expect(life.own('pool', pool, (p) => (p.open = false))).toBe(pool)
    await life.close()
    expect(pool.open).toBe(false)
  })

  test('a lifecycle aborts its signal before it closes anything', async () => {
    const life = new Lifecycle()
    let abortedAtClose = false
    life.own('server', 0, () => (abortedAtClose = life.signal.aborted))
    expect(life.signal.aborted).toBe(false)
    await life.close()
    expect(abortedAtClose).toBe(true)
  })

  test('a lifecycle closes the rest when one part fails to close, and names that part', async () => {
    const lines: string[] = []
    const life = new Lifecycle()
    const closed: string[] = []
    life.own('first', 0, () => closed.push('first'))
    life.own('second', 0, () => {
      throw new Error('stuck')
    })
    life.own('third', 0, () => Promise.reject(new Error('stuck too')))
    await life.close(createLogger('test', 'info', { write: (line) => void lines.push(line) }))
    expect(closed).toEqual(['first'])
    expect(lines.map((line) => JSON.parse(line) as { part: string })).toMatchObject([
      { part: 'third', err: { message: 'stuck too' } },
      { part: 'second', err: { message: 'stuck' } },
    ])
  })

  test('a lifecycle closes once, however many callers close it and however often', async () => {
    const life = new Lifecycle()
    let closings = 0
    life.own('server', 0, async () => {
      closings += 1
      await nextTurn()
    })
    const first = life.close()
    const second = life.close()
    expect(second).toBe(first)
    await first
    await life.close()
    expect(closings).toBe(1)
  })
})

import { describe, expect, test } from '@jest/globals'
import { runTasks, type Task } from './tasks.ts'

/** Runs until it is told to stop, and notes that it was. */
function untilAborted(events: string[], name: string): Task {
  return (signal) =>
    new Promise((resolve) => {
      const end = () => {
        events.push(`${name} stopped`)
        resolve()
      }
      if (signal.aborted) end()
      else signal.addEventListener('abort', end, { once: true })
    })
}

describe('tasks', () => {
  test('tasks all end when one fails, and that failure is thrown', async () => {
    const events: string[] = []
    const fails = async () => {
      throw new Error('first')
    }
    const tasks = [untilAborted(events, 'a'), fails, untilAborted(events, 'b')]
    await expect(runTasks(tasks, new AbortController().signal)).rejects.toThrow('first')
    expect(events).toEqual(['a stopped', 'b stopped'])
  })

  test('tasks all end when one returns', async () => {
    const events: string[] = []
    await runTasks([untilAborted(events, 'a'), async () => {}], new AbortController().signal)
    expect(events).toEqual(['a stopped'])
  })

  test('tasks that fail because they were told to stop fail silently', async () => {
    const rejectsOnAbort: Task = (signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(new Error('consequence')), { once: true })
      })
    const fails: Task = async () => {
      throw new Error('cause')
    }
    await expect(runTasks([rejectsOnAbort, fails], new AbortController().signal)).rejects.toThrow('cause')
  })

  test('tasks end without a failure when they are stopped from outside', async () => {
    const events: string[] = []
    const stop = new AbortController()
    const running = runTasks([untilAborted(events, 'a'), untilAborted(events, 'b')], stop.signal)
    stop.abort()
    await running
    expect(events).toEqual(['a stopped', 'b stopped'])
  })

  test('tasks are told at once when the stop came before they started', async () => {
    const events: string[] = []
    await runTasks([untilAborted(events, 'a')], AbortSignal.abort())
    expect(events).toEqual(['a stopped'])
  })
})

import { describe, expect, test } from '@jest/globals'
import { assertRemoteCallAllowed, localWork } from './local-work.ts'

const call = () => assertRemoteCallAllowed('SpendToken')

describe('a remote call', () => {
  test('a remote call is a fault inside local work, also after an await', async () => {
    const work = localWork('a transaction', async () => {
      await Promise.resolve()
      call()
    })
    await expect(work).rejects.toThrow('SpendToken was called inside of a transaction')
  })

  test('a remote call is allowed beside local work, after it, and after it has failed', async () => {
    let resume = () => {}
    const work = localWork('a transaction', () => new Promise<void>((resolve) => (resume = resolve)))
    expect(call).not.toThrow()
    resume()
    await work
    await localWork('a transaction', () => Promise.reject(new Error('failed'))).catch(() => {})
    expect(call).not.toThrow()
  })

  test('a remote call is allowed to code that local work started and that outlives it', async () => {
    let later: Promise<void> | undefined
    let resume = () => {}
    await localWork('a transaction', async () => {
      later = new Promise<void>((resolve) => (resume = resolve)).then(call)
    })
    resume()
    await expect(later).resolves.toBeUndefined()
  })
})

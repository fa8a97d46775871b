import { AsyncLocalStorage } from 'node:async_hooks'

/** The local work that the running code is part of. Code that outlives the work finds it ended. */
const current = new AsyncLocalStorage<{ what: string; ended: boolean }>()

/** Runs work that must not call another service, such as a transaction: it holds locks, and may run more than once. */
export async function localWork<T>(what: string, work: () => Promise<T>): Promise<T> {
  const state = { what, ended: false }
  try {
    return await current.run(state, work)
  } finally {
    state.ended = true
  }
}

/** Call it before a remote call. @throws Error inside of local work: a fault of the program, which its first test finds */
export function assertRemoteCallAllowed(call: string): void {
  const state = current.getStore()
  if (state?.ended === false) throw new Error(`${call} was called inside of ${state.what}; call it before or after`)
}

import { generateKey } from '@muster/pki'
import type { RunningCluster } from '../harness/cluster.ts'
import { type JoinAttempt, joinDirectly } from '../harness/joining.ts'
import { waitFor } from '../harness/waiting.ts'

/** Newcomers who join one after the other. */
export interface JoiningLoad {
  /** The node ids that were answered. */
  answered: string[]
  /** Waits for that many more answers. */
  more(count: number): Promise<void>
  /** Waits for the newcomers under way. */
  stop(): Promise<void>
}

/** Keeps that many newcomers in flight; each that fails comes again with its key, as an agent does. */
export function joinWithoutEnd(cluster: RunningCluster, newcomers: number, attempt: JoinAttempt): JoiningLoad {
  const answered: string[] = []
  const ended = new AbortController()
  const newcomer = async () => {
    while (!ended.signal.aborted) {
      const key = generateKey()
      await waitFor('an answer', async () =>
        answered.push((await joinDirectly(cluster, { ...attempt, key, timeoutMs: 3_000 })).nodeId),
      )
    }
  }
  const load = Promise.all(Array.from({ length: newcomers }, newcomer))
  return {
    answered,
    async more(count) {
      const before = answered.length
      await Promise.race([load, waitFor(`${count} more joins`, () => answered.length >= before + count)])
    },
    async stop() {
      ended.abort()
      await load
    },
  }
}

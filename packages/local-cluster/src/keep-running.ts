import { messageOf, SERVICE_NAMES, type ServiceName } from '@muster/domain'
import type { Postgres, Redis } from '@muster/embedded-stores'
import { type Lifecycle, systemClock } from '@muster/runtime'
import type { ControlPlane } from './control-plane.ts'

/** What a local cluster watches while it runs. */
export interface KeepRunningOptions {
  controlPlane: ControlPlane
  postgres: Pick<Postgres, 'exited'>
  redis: Pick<Redis, 'exited'>
  life: Lifecycle
  say: (text: string) => void
}

const RESTART_PAUSE_MS = 1_000
/** The operator's certificate lives 12 hours. */
const OPERATOR_RENEWAL_MS = 6 * 60 * 60_000

/** Looks after a running cluster until `life` closes: restarts a service that died, renews the operator's certificate. */
export function keepRunning({ controlPlane, postgres, redis, life, say }: KeepRunningOptions): void {
  const { signal } = life
  for (const [name, store] of [
    ['Postgres', postgres],
    ['Redis', redis],
  ] as const) {
    void store.exited.then(() => {
      if (!signal.aborted) say(`${name} has ended. Stop this cluster with Ctrl-C and start it again; nothing is lost.`)
    })
  }
  for (const name of SERVICE_NAMES) void watch(name)
  const renewal = setInterval(() => {
    controlPlane
      .renewOperator()
      .catch((error: unknown) => say(`The operator identity was not renewed: ${messageOf(error)}`))
  }, OPERATOR_RENEWAL_MS)
  life.own('operator renewal', renewal, clearInterval)

  async function watch(name: ServiceName): Promise<void> {
    while (!signal.aborted) {
      await controlPlane.services[name][0]!.exited
      if (signal.aborted) return
      say(`${name} has ended; starting it again.`)
      await systemClock.sleep(RESTART_PAUSE_MS, signal).catch(() => {})
      if (signal.aborted) return
      await controlPlane.restart(name, 0).catch((error: unknown) => say(messageOf(error)))
    }
  }
}

import { messageOf, SERVICE_NAMES, type ServiceName } from '@muster/domain'
import type { Postgres, Redis } from '@muster/embedded-stores'
import type { Clock, Lifecycle } from '@muster/runtime'
import type { ControlPlane } from './control-plane.ts'

/** What a local cluster watches while it runs. */
export interface KeepRunningOptions {
  controlPlane: ControlPlane
  postgres: Pick<Postgres, 'exited'>
  redis: Pick<Redis, 'exited'>
  life: Lifecycle
  clock: Clock
  say: (text: string) => void
}

const RESTART_PAUSE_MS = 1_000
/** The operator's certificate lives 12 hours. */
const OPERATOR_RENEWAL_MS = 6 * 60 * 60_000

/** Watches a running cluster until `life` closes: restarts a service that died, renews the operator's certificate. */
export function keepRunning({ controlPlane, postgres, redis, life, clock, say }: KeepRunningOptions): void {
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
  void renewOperator()

  async function renewOperator(): Promise<void> {
    while (await pause(OPERATOR_RENEWAL_MS)) {
      await controlPlane
        .renewOperator()
        .catch((error: unknown) => say(`The operator identity was not renewed: ${messageOf(error)}`))
    }
  }

  /** Resolves to true after the pause, or to false once `life` closes. */
  function pause(ms: number): Promise<boolean> {
    return clock.sleep(ms, signal).then(
      () => true,
      () => false,
    )
  }

  async function watch(name: ServiceName): Promise<void> {
    while (!signal.aborted) {
      await controlPlane.services[name][0]!.exited
      if (signal.aborted) return
      say(`${name} has ended; restarting it.`)
      if (!(await pause(RESTART_PAUSE_MS))) return
      await controlPlane.restart(name, 0).catch((error: unknown) => say(messageOf(error)))
    }
  }
}

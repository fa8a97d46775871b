import { execFile } from 'node:child_process'
import type { LineLog } from '@muster/runtime'

/** Tells the service manager how the agent is. */
export interface Notifier {
  /** The agent has an identity and runs. */
  ready(): void
  /** What the agent does now, for `systemctl status`. */
  status(text: string): void
  /** The agent stops. Resolves once nothing that was said is on its way, so that no process outlives the agent. */
  stopping(): Promise<void>
}

const LIMIT_MS = 5_000

/**
 * Notifies systemd if it started this process as a unit with Type=notify (sd_notify(3)). Node cannot write to a socket of
 * datagrams, so systemd's own program does, in the order of the calls. A failure is logged once and stops nothing.
 */
export function systemdNotifier(env: NodeJS.ProcessEnv, log: LineLog): Notifier {
  if (!env['NOTIFY_SOCKET']) return { ready() {}, status() {}, async stopping() {} }
  let last = Promise.resolve()
  let failed = false
  let told = ''
  const notify = (...assignments: string[]) => {
    last = last
      .then(() => send(assignments, env))
      .catch((error: Error) => {
        if (!failed) log.warn({ err: error }, 'systemd cannot be notified')
        failed = true
      })
  }
  return {
    ready: () => notify('READY=1'),
    status(text) {
      // A line break would end the value.
      const line = text.replace(/\s+/g, ' ')
      if (line !== told) notify(`STATUS=${line}`)
      told = line
    },
    stopping() {
      notify('STOPPING=1')
      return last
    },
  }
}

function send(assignments: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile('systemd-notify', assignments, { env, timeout: LIMIT_MS }, (error) =>
      error === null ? resolve() : reject(new Error(`systemd-notify: ${error.message}`, { cause: error })),
    )
  })
}

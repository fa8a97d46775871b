import { rmSync } from 'node:fs'
import { request } from 'node:http'
import { fileURLToPath } from 'node:url'
import type { Collected } from './collect.ts'

/** Looks into one service process through its probe. */
export interface Probe {
  /** For the process to be started. */
  env: Record<string, string>
  /** Call before the process starts again: a socket outlives the process that made it. */
  clear(): void
  collectGarbage(): Promise<Collected>
  startProfile(): Promise<void>
  /** @returns the file that the profile was written to */
  stopProfile(): Promise<string>
}

/** A probe that answers on this Unix socket; the path must be short (at most about 100 characters). */
export function createProbe(socketPath: string): Probe {
  const preload = fileURLToPath(new URL('./probe.js', import.meta.url))
  const ask = <T>(path: string) => askProbe<T>(socketPath, path)
  return {
    env: { NODE_OPTIONS: `--import=${preload}`, MUSTER_BENCH_PROBE: socketPath },
    clear: () => rmSync(socketPath, { force: true }),
    collectGarbage: () => ask<Collected>('/collect'),
    startProfile: async () => void (await ask('/profile/start')),
    stopProfile: async () => (await ask<{ file: string }>('/profile/stop')).file,
  }
}

function askProbe<T>(socketPath: string, path: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path, method: 'POST', agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => (text += chunk))
      response.on('end', () =>
        response.statusCode === 200 ? resolve(JSON.parse(text) as T) : reject(new Error(`probe: ${text}`)),
      )
    })
    asked.once('error', reject)
    asked.end()
  })
}

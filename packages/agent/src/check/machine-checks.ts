import { accessSync, constants, existsSync, statSync } from 'node:fs'
import path from 'node:path'
import { utcTime } from '@muster/cli-kit/print'
import type { StartOptions } from '../config/options.ts'
import { describeMember } from '../join/node-identity.ts'
import type { Report } from '../status/report.ts'
import { type CheckResult, runChecks } from './checks.ts'

/** Checks this machine: its data directory, its identity, and what a join needs. Changes nothing, and spends no token. */
export async function checkMachine(options: StartOptions, report: Report): Promise<CheckResult[]> {
  const { dataDir, token, notes } = options
  const { profile, certificate } = report
  const hasExpired = report.problems.some((problem) => problem.startsWith('the certificate expired'))
  const joins = profile === undefined || hasExpired
  const [folder] = await runChecks([['data directory', async () => writable(dataDir)]])
  const [identity] = await runChecks([
    [
      'identity',
      async () => {
        if (profile === undefined || certificate === undefined) return 'none yet: this machine will join'
        const until = utcTime(certificate.expiresAt)
        if (!hasExpired)
          return `joined ${profile.clusterName} as ${describeMember(profile)}, certificate until ${until}`
        if (token === undefined) throw new Error(`the certificate expired at ${until}; join again with a token`)
        return `the certificate expired at ${until}: this machine will join again`
      },
    ],
  ])
  const [secret] = await runChecks([
    [
      'token',
      async () => {
        if (!joins) return 'not needed: this machine has joined'
        if (token !== undefined) return 'given; only a join shows whether the cluster accepts it'
        throw new Error(['none is given, and a join needs one', ...notes].join('; '))
      },
    ],
  ])
  return [folder!, identity!, secret!]
}

function writable(dataDir: string): string {
  if (existsSync(dataDir)) {
    if (!statSync(dataDir).isDirectory()) throw new Error(`${dataDir} is not a folder`)
    allow(dataDir)
    return `${dataDir} is writable`
  }
  let parent = path.dirname(dataDir)
  while (!existsSync(parent)) parent = path.dirname(parent)
  if (!statSync(parent).isDirectory()) throw new Error(`${parent} is not a folder`)
  allow(parent)
  return `${dataDir} will be created`
}

function allow(folder: string): void {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK)
  } catch {
    throw new Error(`this user may not write to ${folder}`)
  }
}

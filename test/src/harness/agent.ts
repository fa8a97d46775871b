import { mkdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { programFile } from './programs.ts'
import { startProgram, type Program } from './program.ts'
import type { RunningCluster } from './cluster.ts'
import { waitFor } from './waiting.ts'

export interface AgentOptions {
  /** Left out when the agent has joined before. */
  token?: string
  /** In place of token, pins, address and roles. */
  invitation?: string
  /** Default: in the cluster's folder, by this name. */
  name: string
  /** Default: the cluster's pin. */
  pins?: readonly string[]
  /** Default: the cluster's first registration-service. */
  authServer?: string
  roles?: string
  flags?: readonly string[]
  env?: Record<string, string>
  /** The program in place of the built `muster`. */
  program?: string
}

/** Where the agent of that name keeps its identity. */
export function agentDir({ dataDir }: RunningCluster, name: string): string {
  return path.join(dataDir, 'agents', name)
}

/** Starts `muster start` as a person would. The token goes by value unless it names a file. */
export async function startAgent(cluster: RunningCluster, options: AgentOptions): Promise<Program> {
  const { name, token, roles = 'node', flags = [] } = options
  const dataDir = agentDir(cluster, name)
  await mkdir(dataDir, { recursive: true, mode: 0o700 })
  const pins = options.pins ?? cluster.profile.caPins
  const own = [`--data-dir=${dataDir}`, `--nodename=${name}`, ...flags]
  const file = options.program ?? programFile('muster')
  if (options.invitation !== undefined) {
    return startProgram(cluster.life, file, ['start', options.invitation, ...own], options.env)
  }
  const args = [
    'start',
    `--roles=${roles}`,
    `--auth-server=${options.authServer ?? cluster.profile.addresses.registration}`,
    ...pins.map((pin) => `--ca-pin=${pin}`),
    ...(token === undefined ? [] : [`--token=${token}`]),
    ...own,
  ]
  return startProgram(cluster.life, file, args, options.env)
}

/** Waits until the agent prints that it has joined or is back. @returns its node id */
export async function nodeIdOf(agent: Program, limitMs?: number): Promise<string> {
  return (await agent.line(/^(?:Joined|Back in) .* as node ([0-9a-f-]{36})/, limitMs))[1]!
}

/** Waits until the newest certificate in an agent's folder may be renewed: a twentieth of a life of ten seconds, twice over. */
export async function renewable(folder: string): Promise<void> {
  const age = async () => Date.now() - (await stat(path.join(folder, 'chain.pem'))).mtimeMs
  await waitFor('a certificate that may be renewed', async () => (await age()) > 1_000)
}

import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { programFile } from '@muster/local-cluster'
import { startProgram, type Program } from './program.ts'
import type { Cluster } from './cluster.ts'

export interface AgentOptions {
  /** Left out when the agent has joined before. */
  token?: string
  /** Default: in the cluster's folder, by this name. */
  name: string
  /** Default: the cluster's pin. */
  pins?: readonly string[]
  /** Default: the cluster's first registration-service. */
  authServer?: string
  roles?: string
  flags?: readonly string[]
  env?: Record<string, string>
}

/** Where the agent of that name keeps its identity. */
export function agentDir({ dataDir }: Cluster, name: string): string {
  return path.join(dataDir, 'agents', name)
}

/** Starts `muster start` as a person would. The token goes by value unless it names a file. */
export async function startAgent(cluster: Cluster, options: AgentOptions): Promise<Program> {
  const { name, token, roles = 'node', flags = [] } = options
  const dataDir = agentDir(cluster, name)
  await mkdir(dataDir, { recursive: true, mode: 0o700 })
  const pins = options.pins ?? cluster.profile.caPins
  const args = [
    'start',
    `--roles=${roles}`,
    `--data-dir=${dataDir}`,
    `--nodename=${name}`,
    `--auth-server=${options.authServer ?? cluster.profile.addresses.registration}`,
    ...pins.map((pin) => `--ca-pin=${pin}`),
    ...(token === undefined ? [] : [`--token=${token}`]),
    ...flags,
  ]
  return startProgram(cluster.life, programFile('muster', 'agent'), args, options.env)
}

/** Waits until the agent says that it has joined or is back. @returns its node id */
export async function nodeIdOf(agent: Program, limitMs?: number): Promise<string> {
  return (await agent.line(/^(?:Joined|Back in) .* as node ([0-9a-f-]{36})/, limitMs))[1]!
}

import { mkdir, mkdtemp } from 'node:fs/promises'
import path from 'node:path'
import { connect, type Connection, TlsIdentity } from '@muster/rpc'
import { type OperatorProfile, readIdentity } from '@muster/identity'
import { withTestDeadline } from '@muster/testkit/rpc'
import { programFile } from './programs.ts'
import type { RunningCluster } from './cluster.ts'
import { musterctl, pastedFlags } from './musterctl.ts'
import type { Addresses } from './operator.ts'
import { runTool, type ToolResult } from './tool.ts'

/** A person at a machine of their own, with a home folder and nothing else. */
export interface Desk {
  home: string
  /** Where `musterctl login` keeps the identity for the cluster. */
  identityDir: string
  /** The environment of programs that run there. */
  env: Record<string, string>
  musterctl(args: readonly string[], input?: string): Promise<ToolResult>
}

/** Makes a home folder for a person. Variables in `env` come on top of HOME. */
export async function newDesk({ dataDir, profile }: RunningCluster, env: Record<string, string> = {}): Promise<Desk> {
  const desks = path.join(dataDir, 'desks')
  await mkdir(desks, { recursive: true })
  const home = await mkdtemp(path.join(desks, 'desk-'))
  const atDesk = { PATH: process.env['PATH'] ?? '', HOME: home, ...env }
  const file = programFile('musterctl')
  return {
    home,
    identityDir: path.join(home, '.muster', 'clusters', profile.clusterName),
    env: atDesk,
    musterctl: (args, input = '') => runTool(process.execPath, [file, ...args], { input, env: atDesk, cwd: home }),
  }
}

/** The flags of the `musterctl login` command that is printed for a new person. */
export async function invitePerson(cluster: RunningCluster, name: string, roles: string): Promise<string[]> {
  const { status, stdout, stderr } = await musterctl(cluster, ['users', 'add', name, `--roles=${roles}`])
  if (status !== 0) throw new Error(`users add: status ${status}\n${stderr}`)
  return pastedFlags(stdout, 'musterctl login')
}

/** Adds a person, and signs them up by the command that is printed for them. */
export async function logIn(
  cluster: RunningCluster,
  name: string,
  roles: string,
  env: Record<string, string> = {},
): Promise<Desk> {
  const desk = await newDesk(cluster, env)
  const { status, stderr } = await desk.musterctl(['login', ...(await invitePerson(cluster, name, roles))])
  if (status !== 0) throw new Error(`login: status ${status}\n${stderr}`)
  return desk
}

/** Connects to every replica of a service with the identity in a folder. */
export async function connectAs(
  cluster: RunningCluster,
  folder: string,
  service: keyof Addresses,
): Promise<Connection> {
  const found = await readIdentity<OperatorProfile>(folder)
  if (found === undefined) throw new Error(`${folder} holds no identity`)
  const { keyPem, chainPem, bundlePem, profile } = found
  const identity = new TlsIdentity({ own: { keyPem, chainPem }, hostRootsPem: bundlePem, userRootsPem: '' })
  const addresses = cluster.services[service].map(({ address }) => address)
  const connection = withTestDeadline(connect({ addresses, identity, service, clusterName: profile.clusterName }))
  return cluster.life.own(`connection to ${service} as ${folder}`, connection, (c) => c.close())
}

import { CliError, type Io } from '@muster/cli-kit'
import { shellQuote } from '@muster/cli-kit/print'
import { lstat } from 'node:fs/promises'
import path from 'node:path'
import type { IdentityFlags } from './identity-flags.ts'
import { homeOf, openStore } from './identity-store.ts'
import { readOperator, type OperatorIdentity } from './operator-identity.ts'

/** Where to look for an identity, and which one the flags ask for. */
export interface FindOptions {
  io: Pick<Io, 'env' | 'cwd' | 'stderr'>
  now: () => Date
  flags: IdentityFlags
}

/**
 * Finds and reads the operator's identity: --identity, --cluster, MUSTER_IDENTITY, `.muster/operator` here or in a folder
 * above, the current cluster of `~/.muster`. @throws CliError that says how to get one
 */
export async function findIdentity(options: FindOptions): Promise<OperatorIdentity> {
  const { io, flags } = options
  if (flags.identity !== undefined) return readNamed(io, flags.identity, '--identity')
  if (flags.cluster !== undefined) return readStored(io, flags.cluster, '--cluster')
  if (io.env.MUSTER_IDENTITY) return readNamed(io, io.env.MUSTER_IDENTITY, 'MUSTER_IDENTITY')
  for (const dir of localClusters(io.cwd)) {
    await assertOwn(dir)
    const found = await readOperator(dir, 'a local cluster, here or in a folder above')
    if (found !== undefined) return found
  }
  const current = homeOf(io.env) === undefined ? undefined : await openStore(io).current()
  if (current !== undefined) return readStored(io, current, 'the current cluster')
  throw new CliError(
    `no operator identity found: there is no .muster/operator in ${io.cwd} or above it, and no current cluster`,
    "Log in with the 'musterctl login' command that an admin gave you; or start a local cluster with 'npm start' and run " +
      "musterctl in its folder; or give the folder that 'ca-service issue-admin' wrote with --identity DIR or MUSTER_IDENTITY.",
  )
}

/** `.muster/operator` here, then in each folder above. */
function localClusters(cwd: string): string[] {
  const dir = path.resolve(cwd)
  const above = path.dirname(dir)
  return [path.join(dir, '.muster', 'operator'), ...(above === dir ? [] : localClusters(above))]
}

/**
 * A folder above may be one that others can write to, such as /tmp: an identity that they put there would send commands,
 * and the secrets in them, to a cluster of theirs. Where there are no owners, nothing is checked.
 */
async function assertOwn(dir: string): Promise<void> {
  const self = process.getuid?.()
  const owner = await lstat(dir).then(
    ({ uid }) => uid,
    () => undefined,
  )
  if (self === undefined || owner === undefined || owner === self || owner === 0) return
  throw new CliError(
    `the operator identity in ${dir} belongs to another user of this machine, so it is not used unless you name it`,
    `If it is one that you trust: --identity ${shellQuote(dir)}. To use another: --cluster, --identity or MUSTER_IDENTITY.`,
  )
}

async function readNamed({ cwd }: FindOptions['io'], value: string, source: string): Promise<OperatorIdentity> {
  const dir = path.resolve(cwd, value)
  const found = await readOperator(dir, source)
  if (found !== undefined) return found
  throw new CliError(
    `there is no operator identity in ${dir}, which ${source} names`,
    "It is a folder with profile.json, key.pem, chain.pem and bundle.pem, as 'npm start' and 'ca-service issue-admin' write it.",
  )
}

async function readStored(io: FindOptions['io'], clusterName: string, source: string): Promise<OperatorIdentity> {
  const store = openStore(io)
  const found = (await store.has(clusterName)) ? await readOperator(store.folderOf(clusterName), source) : undefined
  if (found !== undefined) return found
  throw notLoggedIn(clusterName)
}

/** The error for a cluster without an identity. */
export function notLoggedIn(clusterName: string): CliError {
  return new CliError(
    `you are not logged in to ${clusterName}`,
    "'musterctl clusters ls' shows where you are; for another, ask an admin of it for 'musterctl users add' and run what it prints.",
  )
}

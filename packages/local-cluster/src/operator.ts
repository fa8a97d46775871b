import { run } from '@muster/embedded-stores'
import { type OperatorProfile, readIdentity, writeIdentity } from '@muster/identity'
import type { ServiceEnvOptions } from './service-env.ts'

const ISSUE_LIMIT_MS = 30_000

/**
 * Creates or renews the operator identity of a local cluster by `issue-admin` of the ca-service in this file, with variables
 * on top of the usual. Keeps the key in the folder.
 * @returns its profile, which holds the CA pins
 */
export async function issueOperator(
  folder: string,
  options: ServiceEnvOptions,
  file: string,
  extraEnv: Record<string, string> = {},
): Promise<OperatorProfile> {
  const env = {
    MUSTER_CLUSTER_NAME: options.clusterName,
    MUSTER_DATABASE_URL_FILE: options.databaseUrlFiles['ca-service'],
    MUSTER_KEY_ENCRYPTION_KEY_FILE: options.secrets.keyEncryptionKey,
    ...extraEnv,
  }
  const args = [file, 'issue-admin', '--name', 'operator', '--roles', 'admin', '--out', folder]
  const before = await readIdentity<OperatorProfile>(folder)
  await run(process.execPath, args, { env, timeoutMs: ISSUE_LIMIT_MS })
  const profile = await readProfile(folder)
  return before === undefined ? profile : setAddresses(folder, before.profile)
}

/** Writes into the operator's profile where the cluster is reached now. */
export async function setAddresses(
  folder: string,
  { addresses, publicAddress, webAddress }: Pick<OperatorProfile, 'addresses' | 'publicAddress' | 'webAddress'>,
): Promise<OperatorProfile> {
  const identity = await readIdentity<OperatorProfile>(folder)
  if (identity === undefined) throw new Error(`${folder} holds no operator identity`)
  const { webAddress: _, ...before } = identity.profile
  const profile = { ...before, addresses, publicAddress, ...(webAddress !== undefined && { webAddress }) }
  await writeIdentity(folder, { ...identity, profile })
  return profile
}

async function readProfile(folder: string): Promise<OperatorProfile> {
  const identity = await readIdentity<OperatorProfile>(folder)
  if (identity === undefined) throw new Error(`${folder} holds no operator identity`)
  return identity.profile
}

import { fileURLToPath } from 'node:url'
import { migrateWithAudit, recordAudit } from '@muster/audit'
import { utcTime } from '@muster/cli-kit/print'
import { BREAK_GLASS, messageOf } from '@muster/domain'
import { ensureKey, type OperatorProfile, writeIdentity } from '@muster/identity'
import { chainPem, generateKey, privateKeyFromPem, privateKeyPem, publicKeyDer, spkiPin } from '@muster/pki'
import { openPool, transaction } from '@muster/postgres'
import { systemClock } from '@muster/runtime'
import { ConfigError, createLogger, parseConfig } from '@muster/service-kit'
import type { z } from 'zod'
import { MIGRATIONS } from '../app.ts'
import { ensureAuthorities } from '../authorities/authorities.ts'
import { DESCRIPTOR, storeSchema } from '../config.ts'
import { issueCertificate } from '../issuing/issue-certificate.ts'
import { type IssueAdminOptions, readOptions, USAGE, UsageError } from './options.ts'

/** Who asks for the certificate, for the record. */
const ACTOR = `${DESCRIPTOR.name} issue-admin`

/**
 * Runs the break-glass command: writes key, chain, bundle and profile to a folder for musterctl's --identity. Keeps a key
 * that is already there. Certificate and audit event are recorded. Exit status 2 for bad usage and bad configuration, 1
 * for any other failure.
 */
export async function issueAdmin(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  try {
    const options = readOptions(argv)
    if (options === undefined) process.stdout.write(USAGE)
    else await issue(options, parseConfig(storeSchema, env))
  } catch (error) {
    process.stderr.write(`${ACTOR}: ${messageOf(error)}\n`)
    process.exitCode = error instanceof UsageError || error instanceof ConfigError ? 2 : 1
  }
}

async function issue(options: IssueAdminOptions, config: z.output<typeof storeSchema>): Promise<void> {
  const { name, roles, ttlSeconds, out, addresses, publicAddress } = options
  const { schema } = DESCRIPTOR
  const log = createLogger(DESCRIPTOR.name, 'silent')
  const databaseUrl = config.MUSTER_DATABASE_URL_FILE
  const clusterName = config.MUSTER_CLUSTER_NAME
  await migrateWithAudit({ databaseUrl, schema, folder: fileURLToPath(MIGRATIONS) }, log)
  const pool = openPool({ databaseUrl, schema, applicationName: ACTOR, size: 1 }, log)
  try {
    const keyEncryptionKey = config.MUSTER_KEY_ENCRYPTION_KEY_FILE
    const authorities = await ensureAuthorities({ pool, keyEncryptionKey, clusterName, clock: systemClock, log })
    const privateKey = privateKeyFromPem(await ensureKey(out, () => privateKeyPem(generateKey())))
    const certificate = await transaction(pool, async (db) => {
      const issued = await issueCertificate(
        { db, authorities, clusterName, clock: systemClock },
        {
          kind: 'user',
          name,
          roles: [...roles, BREAK_GLASS],
          dnsNames: [],
          publicKeyDer: publicKeyDer(privateKey),
          ttlSeconds,
          requestedBy: ACTOR,
        },
      )
      const details = { name, roles, serial: issued.serial, expiresAt: issued.expiresAt }
      await recordAudit(db, { action: 'user.issue-admin', actor: ACTOR, outcome: 'ok', details })
      return issued
    })
    const caPins = [spkiPin(authorities.host.rootDer)]
    const profile: OperatorProfile = { clusterName, caPins, addresses, publicAddress }
    const bundlePem = chainPem([authorities.host.rootDer])
    await writeIdentity(out, { chainPem: chainPem(certificate.chainDer), bundlePem, profile })
    const until = utcTime(certificate.expiresAt!)
    process.stdout.write(`Wrote the identity of ${name} to ${out}; it is good until ${until}.\n`)
  } finally {
    await pool.end()
  }
}

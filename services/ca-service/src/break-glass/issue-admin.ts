import { fileURLToPath } from 'node:url'
import { migrateWithAudit, recordAudit } from '@muster/audit'
import type { Io } from '@muster/cli-kit'
import { programOf } from '@muster/cli-kit/only'
import { utcTime } from '@muster/cli-kit/print'
import { runProgram } from '@muster/cli-kit/run'
import { BREAK_GLASS } from '@muster/domain'
import { ensureKey, type OperatorProfile, writeIdentity } from '@muster/identity'
import { chainPem, generateKey, privateKeyFromPem, privateKeyPem, publicKeyDer, spkiPin } from '@muster/pki'
import { openPool, transaction } from '@muster/postgres'
import { systemClock } from '@muster/runtime'
import { ConfigError, createLogger, databaseOf, parseConfig } from '@muster/service-kit'
import type { z } from 'zod'
import { MIGRATIONS } from '../app.ts'
import { type Authorities, ensureAuthorities } from '../authorities/authorities.ts'
import { CurrentAuthorities } from '../authorities/current-authorities.ts'
import { DESCRIPTOR, storeSchema } from '../config.ts'
import { type CertificateRequest, issueCertificate } from '../issuing/issue-certificate.ts'
import { trustBundle } from '../rpc/trust-bundle.ts'
import { ISSUE_ADMIN_FLAGS, type IssueAdminOptions, readOptions } from './options.ts'

/** The user who requests the certificate, for the audit. */
const ACTOR = `${DESCRIPTOR.name} issue-admin`

const PROGRAM = programOf({
  name: ACTOR,
  describe:
    'Create an operator identity from the database and the key file alone, for the first operator and for emergencies',
  command: {
    options: ISSUE_ADMIN_FLAGS,
    examples: [
      ['$0 --name ada --out ./ada', 'an admin identity for 12 hours; then: musterctl --identity ./ada status'],
    ],
    run: (flags, { io }) => issue(readOptions(flags), parseConfig(storeSchema, io.env), io),
  },
  notes: ['Reads the variables MUSTER_CLUSTER_NAME, MUSTER_DATABASE_* and MUSTER_KEY_ENCRYPTION_KEY_FILE.'],
  explain: (error) => (error instanceof ConfigError ? { status: 2, message: error.message } : undefined),
})

/**
 * Runs the break-glass command: writes key, chain, bundle and profile to a folder for musterctl's --identity. Keeps a key
 * that is already there. Certificate and audit event are recorded. @returns the exit status: 2 for bad usage and bad
 * configuration, 1 for any other failure
 */
export function issueAdmin(argv: readonly string[], io: Io): Promise<number> {
  return runProgram(PROGRAM, argv, io)
}

async function issue(options: IssueAdminOptions, config: z.output<typeof storeSchema>, io: Io): Promise<void> {
  const { name, roles, ttlSeconds, out, addresses, publicAddress, webAddress } = options
  const { schema } = DESCRIPTOR
  const log = createLogger(DESCRIPTOR.name, 'silent')
  const database = databaseOf(config)
  const clusterName = config.MUSTER_CLUSTER_NAME
  await migrateWithAudit({ ...database, schema, folder: fileURLToPath(MIGRATIONS) }, log)
  const pool = openPool({ ...database, schema, applicationName: ACTOR, size: 1 }, log)
  try {
    const keyEncryptionKey = config.MUSTER_KEY_ENCRYPTION_KEY_FILE
    const deps = { pool, keyEncryptionKey, clusterName, clock: systemClock, log }
    const authorities = await CurrentAuthorities.open(() => ensureAuthorities(deps))
    const privateKey = privateKeyFromPem(await ensureKey(out, () => privateKeyPem(generateKey())))
    const request: CertificateRequest = {
      kind: 'user',
      name,
      roles: [...roles, BREAK_GLASS],
      dnsNames: [],
      publicKeyDer: publicKeyDer(privateKey),
      ttlSeconds,
      requestedBy: ACTOR,
    }
    const issueWith = (current: Authorities) =>
      transaction(pool, async (db) => {
        const issued = await issueCertificate({ db, authorities: current, clusterName, clock: systemClock }, request)
        const details = { name, roles, serial: issued.serial, expiresAt: issued.expiresAt }
        await recordAudit(db, { action: 'user.issue-admin', actor: ACTOR, outcome: 'ok', details })
        return issued
      })
    const certificate = await authorities.use(issueWith)
    const { hostRootsDer } = trustBundle(authorities.current, clusterName)
    const caPins = hostRootsDer.map((der) => spkiPin(der))
    const profile: OperatorProfile = {
      clusterName,
      caPins,
      addresses,
      publicAddress,
      ...(webAddress !== undefined && { webAddress }),
    }
    const bundlePem = chainPem(hostRootsDer)
    await writeIdentity(out, { chainPem: chainPem(certificate.chainDer), bundlePem, profile })
    const until = utcTime(certificate.expiresAt!)
    io.stdout.write(`Wrote the identity of ${name} to ${out}; it is good until ${until}.\n`)
  } finally {
    await pool.end()
  }
}

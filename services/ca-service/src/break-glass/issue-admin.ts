import { utcTime } from '@muster/cli-kit/print'
import { parseArgs } from 'node:util'
import { migrateWithAudit, recordAudit } from '@muster/audit'
import {
  BREAK_GLASS,
  formatDuration,
  messageOf,
  parseDuration,
  parseMemberName,
  parseOperatorRoles,
} from '@muster/domain'
import { chainPem, generateKey, privateKeyFromPem, privateKeyPem, publicKeyDer, spkiPin } from '@muster/pki'
import { openPool, transaction } from '@muster/postgres'
import { systemClock } from '@muster/runtime'
import { ensureKey, type OperatorProfile, writeIdentity } from '@muster/identity'
import { ConfigError, createLogger, parseConfig } from '@muster/service-kit'
import { fileURLToPath } from 'node:url'
import { ensureAuthorities } from '../authorities/authorities.ts'
import { storeSchema } from '../config.ts'
import { issueCertificate } from '../issuing/issue-certificate.ts'

/** An operator who needs longer comes back: this certificate cannot be revoked. */
const MAX_TTL_SECONDS = 7 * 86_400

const USAGE = `Usage: ca-service issue-admin --name NAME --out DIR [--roles admin] [--ttl 12h]
         [--registration-addr HOST:PORT] [--token-addr HOST:PORT] [--ca-addr HOST:PORT] [--public-addr HOST:PORT]

Makes an operator identity from the database and the key file alone, for the first operator and for emergencies.
It reads the variables MUSTER_CLUSTER_NAME, MUSTER_DATABASE_URL_FILE and MUSTER_KEY_ENCRYPTION_KEY_FILE.
`

/**
 * The break-glass command. Writes key, chain, bundle and profile to a folder that musterctl takes with --identity; a key
 * that is already there is kept. The certificate and who made it are on record. Exit status 2 for bad usage, else 1.
 */
export async function issueAdmin(argv: string[], env: NodeJS.ProcessEnv): Promise<void> {
  try {
    const options = readOptions(argv)
    if (options === undefined) process.stdout.write(USAGE)
    else await issue(options, parseConfig(storeSchema, env))
  } catch (error) {
    process.stderr.write(`ca-service issue-admin: ${messageOf(error)}\n`)
    process.exitCode = error instanceof UsageError || error instanceof ConfigError ? 2 : 1
  }
}

class UsageError extends Error {}

type Options = NonNullable<ReturnType<typeof readOptions>>

function readOptions(argv: string[]) {
  try {
    const text = { type: 'string' } as const
    const { values } = parseArgs({
      args: argv,
      options: {
        help: { type: 'boolean', short: 'h' },
        name: text,
        out: text,
        roles: { type: 'string', default: 'admin' },
        ttl: { type: 'string', default: '12h' },
        'registration-addr': { type: 'string', default: '127.0.0.1:3025' },
        'token-addr': { type: 'string', default: '127.0.0.1:3026' },
        'ca-addr': { type: 'string', default: '127.0.0.1:3027' },
        'public-addr': text,
      },
    })
    if (values.help) return undefined
    if (values.name === undefined || values.out === undefined) throw new Error('--name and --out are needed')
    return {
      ...values,
      out: values.out,
      name: parseMemberName(values.name),
      roles: parseOperatorRoles(values.roles.split(',')),
      ttlSeconds: parseTtl(values.ttl),
    }
  } catch (error) {
    throw new UsageError(`${messageOf(error)}\n\n${USAGE}`)
  }
}

function parseTtl(text: string): number {
  const seconds = parseDuration(text, '--ttl')
  if (seconds > MAX_TTL_SECONDS) throw new Error(`--ttl: must be at most ${formatDuration(MAX_TTL_SECONDS)}`)
  return seconds
}

async function issue(options: Options, config: ReturnType<typeof parseConfig<typeof storeSchema>>): Promise<void> {
  const log = createLogger('ca-service', 'silent')
  const databaseUrl = config.MUSTER_DATABASE_URL_FILE
  const clusterName = config.MUSTER_CLUSTER_NAME
  await migrateWithAudit(
    { databaseUrl, schema: 'ca', folder: fileURLToPath(new URL('../../migrations', import.meta.url)) },
    log,
  )
  const pool = openPool({ databaseUrl, schema: 'ca', applicationName: 'ca-service issue-admin', size: 1 }, log)
  try {
    const keyEncryptionKey = config.MUSTER_KEY_ENCRYPTION_KEY_FILE
    const authorities = await ensureAuthorities({ pool, keyEncryptionKey, clusterName, clock: systemClock, log })
    const privateKey = privateKeyFromPem(await ensureKey(options.out, () => privateKeyPem(generateKey())))
    const certificate = await transaction(pool, async (db) => {
      const issued = await issueCertificate(
        { db, authorities, clusterName, clock: systemClock },
        {
          kind: 'user',
          name: options.name,
          roles: [...options.roles, BREAK_GLASS],
          dnsNames: [],
          publicKeyDer: publicKeyDer(privateKey),
          ttlSeconds: options.ttlSeconds,
          requestedBy: 'ca-service issue-admin',
        },
      )
      const details = { name: options.name, roles: options.roles, serial: issued.serial, expiresAt: issued.expiresAt }
      await recordAudit(db, { action: 'user.issue-admin', actor: 'ca-service issue-admin', outcome: 'ok', details })
      return issued
    })
    const profile: OperatorProfile = {
      clusterName,
      caPins: [spkiPin(authorities.host.rootDer)],
      addresses: {
        registration: options['registration-addr'],
        token: options['token-addr'],
        ca: options['ca-addr'],
      },
      publicAddress: options['public-addr'] ?? options['registration-addr'],
    }
    const bundlePem = chainPem([authorities.host.rootDer])
    await writeIdentity(options.out, { chainPem: chainPem(certificate.chainDer), bundlePem, profile })
    const until = utcTime(certificate.expiresAt!)
    process.stdout.write(`Wrote the identity of ${options.name} to ${options.out}; it is good until ${until}.\n`)
  } finally {
    await pool.end()
  }
}

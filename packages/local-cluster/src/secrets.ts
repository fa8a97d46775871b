import { randomBytes } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { writeFileAtomic } from '@muster/runtime'

/** The files by which the services of a local cluster get their secrets. Each is 0600, made once, and kept. */
export interface SecretFiles {
  folder: string
  pepper: string
  keyEncryptionKey: string
  enrollTokens: Record<'token-service' | 'registration-service', string>
}

/** The databases' owners, one per service: a service can read its own schema and no other. */
export const SCHEMAS = { 'ca-service': 'ca', 'token-service': 'token', 'registration-service': 'registration' } as const

/** Makes what is missing. */
export async function ensureSecrets(dataDir: string): Promise<SecretFiles> {
  const folder = path.join(dataDir, 'secrets')
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const secret = async (name: string) => {
    const file = path.join(folder, name)
    await ensureSecret(file)
    return file
  }
  return {
    folder,
    pepper: await secret('token-pepper'),
    keyEncryptionKey: await secret('ca-key-encryption-key'),
    enrollTokens: {
      'token-service': await secret('token-service-enroll-token'),
      'registration-service': await secret('registration-service-enroll-token'),
    },
  }
}

/** A secret of 256 random bits as hex, from its file or made now. */
export async function ensureSecret(file: string): Promise<string> {
  const kept = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (kept !== undefined) return kept.trim()
  const made = randomBytes(32).toString('hex')
  await writeFileAtomic(file, `${made}\n`)
  return made
}

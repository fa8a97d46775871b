import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { byService, ENROLLING_SERVICES, type EnrollingService } from '@muster/domain'
import { ensureFolder, writeFileAtomic } from '@muster/runtime'

/** The files that hold the secrets of a local cluster's services. Each has mode 0600, is made once and kept. */
export interface SecretFiles {
  folder: string
  pepper: string
  keyEncryptionKey: string
  enrollTokens: Record<EnrollingService, string>
}

/** Makes the secrets that are missing. */
export async function ensureSecrets(dataDir: string): Promise<SecretFiles> {
  const folder = path.join(dataDir, 'secrets')
  await ensureFolder(folder)
  const file = (name: string) => path.join(folder, name)
  const files: SecretFiles = {
    folder,
    pepper: file('token-pepper'),
    keyEncryptionKey: file('ca-key-encryption-key'),
    enrollTokens: byService(ENROLLING_SERVICES, (name) => file(`${name}-enroll-token`)),
  }
  for (const secret of [files.pepper, files.keyEncryptionKey, ...Object.values(files.enrollTokens)]) {
    await ensureSecret(secret)
  }
  return files
}

/** Reads a secret of 256 random bits, in hex, from its file; makes it if there is no file. */
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

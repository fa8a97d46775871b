import { createPrivateKey, X509Certificate } from 'node:crypto'

/** What each file of an identity must hold. */
const CONTENT = {
  key: ['private key', (text: string) => createPrivateKey(text)],
  chain: ['certificate', (text: string) => new X509Certificate(text)],
  bundle: ['certificate', (text: string) => new X509Certificate(text)],
  profile: ['JSON object', (text: string) => asObject(JSON.parse(text))],
} as const

/** Checks that a file holds what its name says. The error names it, and nothing of its content. @throws Error */
export function checkFile(name: keyof typeof CONTENT, file: string, text: string): string {
  // A power cut may leave a file of zeros.
  if (text.replaceAll('\0', '').trim() === '') throw new Error(`${file} is empty`)
  const [what, parse] = CONTENT[name]
  try {
    parse(text)
  } catch {
    throw new Error(`${file} holds no ${what}`)
  }
  return text
}

function asObject(value: unknown): object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('no object')
  return value
}

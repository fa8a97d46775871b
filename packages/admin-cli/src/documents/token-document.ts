import { readFile } from 'node:fs/promises'
import path from 'node:path'
import type { token } from '@muster/contracts'
import { invalid, isTokenId, parseCustomTokenValue, parseDuration, parseTokenName, secretWord } from '@muster/domain'
import { whyUnreadable } from '@muster/runtime'
import { MAX_UINT32 } from '../cluster/wire-limits.ts'
import { parseTokenSpec, type NameOfPart, type TokenSpec } from '../commands/tokens/token-spec.ts'
import type { Fields } from './document-fields.ts'
import { tokenResource } from './resources.ts'

/** A token that a document describes. */
export interface TokenDocument {
  name: string
  spec: TokenSpec
  expiresAt: Date | undefined
  /** The request that creates the token. @throws invalidArgument if the document lacks what only a new token needs */
  request: (now: Date) => token.CreateTokenRequest
}

const DEFAULT_TTL = '30m'

/** The keys of a document for the parts of a token. */
const KEY_OF = {
  roles: 'roles',
  maxUses: 'max_uses',
  labels: 'labels',
  nodeLabels: 'node_labels',
  description: 'description',
  botName: 'bot_name',
  allowCidrs: 'allow_cidrs',
  allowHostnames: 'allow_hostnames',
} as const

/** Reads `spec` of a token. @param baseDir the folder of a relative value_file. @throws invalidArgument */
export async function parseTokenDocument(name: string, spec: Fields, baseDir: string): Promise<TokenDocument> {
  const at = (key: string) => spec.nameOf(key)
  const wish = {
    roles: spec.texts(KEY_OF.roles),
    maxUses: spec.count(KEY_OF.maxUses),
    labels: spec.textMap(KEY_OF.labels),
    nodeLabels: spec.textMap(KEY_OF.nodeLabels),
    description: spec.text(KEY_OF.description) ?? '',
    botName: spec.text(KEY_OF.botName) ?? '',
    allowCidrs: spec.texts(KEY_OF.allowCidrs),
    allowHostnames: spec.texts(KEY_OF.allowHostnames),
  }
  const nameOf: NameOfPart = (part) => at(KEY_OF[part])
  const parsed = parseTokenSpec(wish, nameOf)
  const expiresAt = parseTime(spec.text('expires_at'), at('expires_at'))
  const ttl = spec.text('ttl')
  if (ttl !== undefined && expiresAt !== undefined) throw invalid(at('ttl'), 'conflicts with spec.expires_at')
  const ttlSeconds = parseDuration(ttl ?? DEFAULT_TTL, at('ttl'))
  const value = await readValue(spec, baseDir)
  // get prints the id as the name of a token that has no name.
  const checkedName = isTokenId(name) ? name : parseTokenName(name, 'metadata.name')
  return {
    name: checkedName,
    spec: parsed,
    expiresAt,
    request(now) {
      parseTokenName(name, 'metadata.name')
      if (value === undefined) {
        throw invalid(
          at('value'),
          'is required to create the token; or value_file, the path of a file that contains it',
        )
      }
      const restSeconds = expiresAt && Math.round((expiresAt.getTime() - now.getTime()) / 1000)
      if (restSeconds !== undefined && restSeconds <= 0) throw invalid(at('expires_at'), 'has passed')
      const wantedSeconds = restSeconds ?? ttlSeconds
      if (wantedSeconds > MAX_UINT32)
        throw invalid(at(restSeconds === undefined ? 'ttl' : 'expires_at'), 'is too far away')
      return { ...parsed, name: checkedName, value, ttlSeconds: wantedSeconds }
    },
  }
}

/** The keys of `spec` in which a token differs from a document. */
export function differences(made: token.Token, { spec: asked, expiresAt }: TokenDocument): string[] {
  const wanted = tokenResource({
    ...made,
    ...asked,
    // A token for a bot admits one, even if the document does not say so.
    maxUses: asked.maxUses ?? (asked.roles.includes('bot') ? made.maxUses : undefined),
    expiresAt: expiresAt ?? made.expiresAt,
  }).spec
  const found = tokenResource(made).spec
  return Object.keys(wanted).filter((key) => canonical(wanted[key]) !== canonical(found[key]))
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return JSON.stringify([...(value as string[])].sort())
  if (value instanceof Date || typeof value !== 'object' || value === null) return JSON.stringify(value)
  return JSON.stringify(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}

function parseTime(text: string | undefined, field: string): Date | undefined {
  if (text === undefined) return undefined
  const time = new Date(text)
  if (/^\d{4}-\d\d-\d\dT.*Z$/.test(text) && !Number.isNaN(time.getTime())) return time
  throw invalid(field, 'is not a time such as 2026-11-22T18:00:00Z')
}

const MAX_VALUE_BYTES = 4096

async function readValue(spec: Fields, baseDir: string): Promise<string | undefined> {
  const given = spec.text('value')
  const file = spec.text('value_file')
  if (file === undefined)
    return given === undefined
      ? undefined
      : parseCustomTokenValue(secret(given, spec.nameOf('value')), spec.nameOf('value'))
  const field = spec.nameOf('value_file')
  if (given !== undefined) throw invalid(field, 'conflicts with spec.value')
  const whole = path.resolve(baseDir, file)
  const content = await readFile(whole).catch((error: unknown) => {
    throw invalid(field, whyUnreadable(whole, error))
  })
  if (content.length > MAX_VALUE_BYTES) throw invalid(field, `is longer than ${MAX_VALUE_BYTES} bytes`)
  return parseCustomTokenValue(secret(content, field), field)
}

function secret(given: string | Uint8Array, field: string): string {
  try {
    return secretWord(given, 'it')
  } catch (error) {
    throw invalid(field, (error as Error).message)
  }
}

import type { token } from '@muster/contracts'
import {
  AppError,
  invalid,
  parseCustomTokenValue,
  parseDuration,
  parseLabelList,
  parseMemberName,
  parseNodeRoles,
  type NodeRole,
} from '@muster/domain'
import { UsageError } from './errors.ts'

/** The flags of `tokens add` as typed. */
export interface TokenFlags {
  type: string | undefined
  ttl: string
  maxUses: string | undefined
  labels: string | undefined
  description: string | undefined
  value: string | undefined
  botName: string | undefined
}

/** Checks the flags before anything is sent; the cluster's own limits are left to it. @throws UsageError */
export function parseTokenFlags(flags: TokenFlags): token.CreateTokenRequest {
  try {
    const roles = parseNodeRoles(flags.type?.split(',').filter((role) => role.trim() !== '') ?? [], '--type')
    return {
      roles,
      ttlSeconds: parseTtl(flags.ttl),
      maxUses: flags.maxUses === undefined ? undefined : parseMaxUses(flags.maxUses),
      labels: parseLabelList(flags.labels ?? '', '--labels'),
      description: flags.description ?? '',
      botName: parseBotName(flags.botName ?? '', roles),
      value: flags.value === undefined ? '' : parseValue(flags.value),
      name: '',
      restrictions: undefined,
      nodeLabels: {},
    }
  } catch (error) {
    if (error instanceof AppError) throw new UsageError(error.message)
    throw error
  }
}

// The wire carries 32 bits; what a cluster allows is far less, and its refusal says how much.
const MAX_UINT32 = 2 ** 32 - 1

function parseTtl(text: string): number {
  const seconds = parseDuration(text, '--ttl')
  if (seconds > MAX_UINT32) throw invalid('--ttl', `${text} is too long`)
  return seconds
}

function parseMaxUses(text: string): number {
  const uses = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (!(uses >= 1 && uses <= MAX_UINT32)) throw invalid('--max-uses', 'must be a whole number of at least 1')
  return uses
}

function parseBotName(name: string, roles: readonly NodeRole[]): string {
  if (!roles.includes('bot')) {
    if (name !== '') throw invalid('--bot-name', 'goes with --type=bot only')
    return ''
  }
  if (roles.length > 1) throw invalid('--type', 'bot cannot be combined with other types')
  if (name === '') throw invalid('--bot-name', 'is needed with --type=bot')
  return parseMemberName(name, '--bot-name')
}

function parseValue(value: string): string {
  // `muster start --token` takes a value or a path, and would look for such a file.
  if (/^[./~]/.test(value)) {
    throw invalid('--value', "must not begin with '.', '/' or '~': muster start --token would take it for a path")
  }
  // Argument parsers take such quotes off `--token="..."`, so the new node would send another value.
  if (/^(["']).*\1$/.test(value)) throw invalid('--value', 'must not begin and end with a quotation mark')
  return parseCustomTokenValue(value, '--value')
}

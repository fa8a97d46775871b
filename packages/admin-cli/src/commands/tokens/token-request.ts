import type { token } from '@muster/contracts'
import { invalid, parseCustomTokenValue, parseLabelList, secretWord } from '@muster/domain'
import { asUsage } from '../../documents/as-usage.ts'
import { parseTtl } from '../parse-ttl.ts'
import { parseTokenSpec, type NameOfPart } from './token-spec.ts'

/** The flags of `tokens add` as typed. */
export interface TokenFlags {
  type: string | undefined
  ttl: string
  maxUses: string | undefined
  labels: string | undefined
  nodeLabels: string | undefined
  description: string | undefined
  value: string | undefined
  botName: string | undefined
  allowCidr: readonly string[] | undefined
  allowHostname: readonly string[] | undefined
}

/** Checks the flags before the cluster is called. `typeFlag` is the flag that names the roles. @throws UsageError */
export function parseTokenFlags(flags: TokenFlags, typeFlag = '--type'): token.CreateTokenRequest {
  const nameOf: NameOfPart = (part) => (part === 'roles' ? typeFlag : FLAG_OF[part])
  return asUsage(() => {
    const wish = {
      roles: flags.type?.split(',').filter((role) => role.trim() !== '') ?? [],
      maxUses: flags.maxUses === undefined ? undefined : parseCount(flags.maxUses),
      labels: parseLabelList(flags.labels ?? '', '--labels'),
      nodeLabels: parseLabelList(flags.nodeLabels ?? '', '--node-labels'),
      description: flags.description ?? '',
      botName: flags.botName ?? '',
      allowCidrs: entries(flags.allowCidr, '--allow-cidr'),
      allowHostnames: entries(flags.allowHostname, '--allow-hostname'),
    }
    const value = flags.value === undefined ? '' : parseTypedValue(flags.value)
    return { name: '', value, ttlSeconds: parseTtl(flags.ttl), ...parseTokenSpec(wish, nameOf) }
  })
}

const FLAG_OF = {
  maxUses: '--max-uses',
  labels: '--labels',
  nodeLabels: '--node-labels',
  description: '--description',
  botName: '--bot-name',
  allowCidrs: '--allow-cidr',
  allowHostnames: '--allow-hostname',
} as const

function parseCount(text: string): number {
  return /^\d+$/.test(text) ? Number(text) : Number.NaN
}

/** An empty restriction, such as an unset variable of a script, would admit everybody. */
function entries(values: readonly string[] | undefined, flag: string): string[] {
  const found = (values ?? []).flatMap((value) => value.split(',')).filter((value) => value.trim() !== '')
  if (values !== undefined && found.length === 0) throw invalid(flag, 'is empty; leave it out to admit from anywhere')
  return found
}

function parseTypedValue(value: string): string {
  const word = value.trim()
  // `muster start --token` takes a value or a path, and would look for such a file.
  if (/^[./~]/.test(word)) {
    throw invalid('--value', "must not begin with '.', '/' or '~': muster start --token would take it for a path")
  }
  // Argument parsers take such quotes off `--token="..."`, so the new node would send another value.
  if (/^(["']).*\1$/.test(word)) throw invalid('--value', 'must not begin and end with a quotation mark')
  return parseCustomTokenValue(secretWord(word, '--value'), '--value')
}

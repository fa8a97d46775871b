import type { token } from '@muster/contracts'
import {
  invalid,
  type NodeRole,
  parseCidrs,
  parseCustomTokenValue,
  parseDuration,
  parseHostnameGlobs,
  parseLabelList,
  parseMemberName,
  parseNodeRoles,
} from '@muster/domain'
import { asUsage } from '../../documents/as-usage.ts'
import { MAX_UINT32 } from '../../documents/document-fields.ts'

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

/** Checks the flags before anything is sent; the cluster's own limits are left to it. `typeFlag` is the flag that names the roles. @throws UsageError */
export function parseTokenFlags(flags: TokenFlags, typeFlag = '--type'): token.CreateTokenRequest {
  return asUsage(() => {
    const roles = parseNodeRoles(flags.type?.split(',').filter((role) => role.trim() !== '') ?? [], typeFlag)
    return {
      name: '',
      roles,
      ttlSeconds: parseTtl(flags.ttl),
      maxUses: flags.maxUses === undefined ? undefined : parseMaxUses(flags.maxUses),
      labels: parseLabelList(flags.labels ?? '', '--labels'),
      nodeLabels: parseLabelList(flags.nodeLabels ?? '', '--node-labels'),
      description: flags.description ?? '',
      botName: parseBotName(flags.botName ?? '', roles, typeFlag),
      value: flags.value === undefined ? '' : parseValue(flags.value),
      restrictions: {
        allowCidrs: parseCidrs(entries(flags.allowCidr, '--allow-cidr'), '--allow-cidr'),
        allowHostnames: parseHostnameGlobs(entries(flags.allowHostname, '--allow-hostname'), '--allow-hostname'),
      },
    }
  })
}

/** How long a token is to live, in seconds. What is no lifetime at all is refused here, too long a one by the cluster. @throws invalidArgument */
export function parseTtl(text: string, mostByDefault = '7d'): number {
  const typed = text.trim()
  const limits = `it must be at least 1s and at most what the cluster allows, which is ${mostByDefault} unless set`
  if (/^-\d/.test(typed) || /^[+0dhms]*0[0dhms]*$/i.test(typed)) {
    throw invalid('--ttl', `${typed} is no lifetime; ${limits}`)
  }
  const tooLong = () => invalid('--ttl', `${typed.slice(0, 40)} is too long; ${limits}`)
  // More digits than parseDuration reads.
  if (/^(?:\d+[dhms])*\d{10,}[dhms](?:\d+[dhms])*$/i.test(typed)) throw tooLong()
  const seconds = parseDuration(text, '--ttl')
  // What a cluster allows is far less than the wire carries, and its refusal says how much.
  if (seconds > MAX_UINT32) throw tooLong()
  return seconds
}

function parseMaxUses(text: string): number {
  const uses = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (!(uses >= 1 && uses <= MAX_UINT32)) throw invalid('--max-uses', 'must be a whole number of at least 1')
  return uses
}

/** A restriction that is empty by a slip, such as an unset variable, would admit everybody. */
function entries(values: readonly string[] | undefined, flag: string): string[] {
  const found = (values ?? []).flatMap((value) => value.split(',')).filter((value) => value.trim() !== '')
  if (values !== undefined && found.length === 0) throw invalid(flag, 'is empty; leave it out to admit from anywhere')
  return found
}

function parseBotName(name: string, roles: readonly NodeRole[], typeFlag: string): string {
  if (!roles.includes('bot')) {
    if (name !== '') throw invalid('--bot-name', `goes with ${typeFlag}=bot only`)
    return ''
  }
  if (roles.length > 1) throw invalid(typeFlag, 'bot cannot be combined with other types')
  if (name === '') throw invalid('--bot-name', `is needed with ${typeFlag}=bot`)
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

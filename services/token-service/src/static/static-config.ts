import { readFileSync } from 'node:fs'
import path from 'node:path'
import { NODE_ROLES, type NodeRole, parseNodeRoles, printable } from '@muster/domain'
import { whyUnreadable } from '@muster/runtime'
import { isMap, isScalar, isSeq, LineCounter, parseDocument, type ParsedNode } from 'yaml'
import { z } from 'zod'
import { parseStaticValue, readTokenFile } from './token-file.ts'

/** A static token in the configuration. */
export interface StaticToken {
  /** File and line. */
  definedAt: string
  roles: readonly NodeRole[]
  value: string
  /** Set for a token whose value is in a file. */
  file: { path: string; stamp: string } | undefined
}

/** The schema of the variable that names the YAML file. It yields the static tokens; every problem names its line. */
export function staticTokensFile(): z.ZodType<StaticToken[], string> {
  return z.string().transform((file, context) => {
    const { tokens, problems } = readStaticTokens(file)
    for (const message of problems) context.addIssue({ code: 'custom', message })
    return problems.length > 0 ? z.NEVER : tokens
  })
}

// A problem quotes nothing from the file but short keys: text in a wrong place may be a secret.
function readStaticTokens(file: string): { tokens: StaticToken[]; problems: string[] } {
  const name = path.resolve(file)
  let text: string
  try {
    text = readFileSync(name, 'utf8')
  } catch (error) {
    return { tokens: [], problems: [whyUnreadable(name, error)] }
  }
  const lines = new LineCounter()
  // Pretty errors would print lines of the file.
  const document = parseDocument(text, { prettyErrors: false, lineCounter: lines })
  const tokens: StaticToken[] = []
  const problems: { offset: number; what: string }[] = []
  const at = (offset: number) => `${name}:${lines.linePos(offset).line}`
  if (document.errors.length > 0) {
    for (const { pos, code } of document.errors) {
      problems.push({ offset: pos[0], what: `is not YAML (${code.toLowerCase().replaceAll('_', ' ')})` })
    }
  } else {
    const problem: Problem = (node, what) => void problems.push({ offset: node.range[0], what })
    for (const item of tokenItems(document.contents, problem)) {
      try {
        tokens.push(parseItem(item, { definedAt: at(item.range[0]), folder: path.dirname(name) }, tokens))
      } catch (error) {
        problem(item, (error as Error).message)
      }
    }
  }
  problems.sort((a, b) => a.offset - b.offset)
  return { tokens, problems: problems.map(({ offset, what }) => `${at(offset)}: ${what}`) }
}

type Problem = (node: ParsedNode, what: string) => void

const KEYS = 'tokens, auth_service'
const SERVICE_KEYS = 'enabled, tokens'

function tokenItems(root: ParsedNode | null, problem: Problem): ParsedNode[] {
  const items: ParsedNode[] = []
  for (const { key, value } of pairsOf(root, 'must be a map with the key tokens', problem)) {
    const word = isScalar(key) ? key.value : undefined
    if (word === 'tokens') items.push(...listOf(value, problem))
    else if (word === 'auth_service') items.push(...tokensOfService(value, problem))
    else problem(key, `unknown key${shown(key)}; valid keys: ${KEYS}`)
  }
  return items
}

/** The tokens of `auth_service`, as other programs write them. They count unless it says `enabled: no`. */
function tokensOfService(service: ParsedNode | null, problem: Problem): ParsedNode[] {
  let items: ParsedNode[] = []
  let enabled = true
  for (const { key, value } of pairsOf(service, `auth_service must be a map with the keys ${SERVICE_KEYS}`, problem)) {
    const word = isScalar(key) ? key.value : undefined
    if (word === 'tokens') items = listOf(value, problem)
    else if (word !== 'enabled') problem(key, `unknown key${shown(key)} in auth_service; valid keys: ${SERVICE_KEYS}`)
    else if (isScalar(value) && (value.value === true || value.value === 'yes')) enabled = true
    else if (isScalar(value) && (value.value === false || value.value === 'no')) enabled = false
    else problem(value ?? key, 'auth_service.enabled must be true or false')
  }
  return enabled ? items : []
}

function pairsOf(node: ParsedNode | null, what: string, problem: Problem) {
  if (node === null || isNull(node)) return []
  if (isMap<ParsedNode, ParsedNode | null>(node)) return node.items
  problem(node, what)
  return []
}

function listOf(node: ParsedNode | null, problem: Problem): ParsedNode[] {
  if (node === null || isNull(node)) return []
  if (isSeq<ParsedNode>(node)) return node.items
  problem(node, 'tokens must be a list')
  return []
}

function isNull(node: ParsedNode): boolean {
  return isScalar(node) && node.value === null
}

/** Quotes a key if it is shorter than any token value. */
function shown(key: ParsedNode): string {
  return isScalar(key) && typeof key.value === 'string' && key.value.length < 16 ? ` ${printable(key.value)}` : ''
}

function parseItem(
  item: ParsedNode,
  { definedAt, folder }: { definedAt: string; folder: string },
  earlier: readonly StaticToken[],
): StaticToken {
  const text = isScalar(item) && typeof item.value === 'string' ? item.value.trim() : ''
  const colon = text.indexOf(':')
  if (colon < 1) throw new Error("must be 'ROLE,ROLE:VALUE' or 'ROLE,ROLE:/PATH/TO/FILE', in quotes")
  const roles = parseRoles(text.slice(0, colon))
  const { value, file } = readValue(text.slice(colon + 1).trim(), folder)
  const same = earlier.find((token) => token.value === value)
  if (same !== undefined) throw new Error(`duplicates the value of ${same.definedAt}`)
  return { definedAt, roles, value, file }
}

function parseRoles(text: string): NodeRole[] {
  const words = text.split(',').map((word) => word.trim().toLowerCase())
  if (words.includes('bot')) throw new Error('a static token cannot have the role bot: a bot token is used once')
  if (!words.every((word) => NODE_ROLES.some((role) => role === word))) {
    const valid = NODE_ROLES.filter((role) => role !== 'bot').join(', ')
    throw new Error(`the part before the colon must be a list of roles; valid values: ${valid}`)
  }
  return parseNodeRoles(words)
}

/** Text that starts like a path is a path. A relative path starts at the folder of the configuration. */
function readValue(text: string, folder: string): Pick<StaticToken, 'value' | 'file'> {
  if (!/^(?:\/|\.\.?\/)/.test(text)) return { value: parseStaticValue(text), file: undefined }
  const file = path.resolve(folder, text)
  const { value, stamp } = readTokenFile(file)
  return { value, file: { path: file, stamp } }
}

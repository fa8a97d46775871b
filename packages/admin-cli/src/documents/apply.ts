import { CliError } from '@muster/cli-kit'
import { didYouMean } from '@muster/cli-kit/input'
import type { token, users } from '@muster/contracts'
import { invalid, type OperatorRole, parseMemberName, parseOperatorRoles } from '@muster/domain'
import { allPages, PAGE_SIZE } from '../cluster/all-pages.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { Fields } from './document-fields.ts'
import { CallError } from '../cli/errors.ts'
import { KINDS, type Kind } from './resources.ts'
import { differences, parseTokenDocument, type TokenDocument } from './token-document.ts'
import { tokenStateOf } from '../commands/tokens/json.ts'

/** The result of applying a document. */
export type Outcome = 'created' | 'updated' | 'unchanged'

/** A checked document. Applying it again changes nothing. */
export interface Plan {
  kind: Kind
  name: string
  apply(cluster: Cluster, now: Date): Promise<Outcome>
  /** The next step after it is created. */
  next?: string
}

/** Checks a document without calling the cluster. @throws invalidArgument that names the key */
export async function planOf(value: unknown, baseDir: string): Promise<Plan> {
  const top = new Fields(value, '')
  const kind = parseDocumentKind(top.text('kind'))
  const metadata = top.fields('metadata')
  const name = metadata.text('name')
  if (name === undefined) throw invalid(metadata.nameOf('name'), 'is required')
  metadata.refuseOthers()
  if (kind === 'node') throw invalid('kind', 'nodes cannot be created; they join with a token')
  const spec = top.fields('spec')
  // get prints a status beside the spec; ignore it.
  top.ignore('status')
  top.refuseOthers()
  const plan = kind === 'token' ? planToken(await parseTokenDocument(name, spec, baseDir)) : planUser(name, spec)
  spec.refuseOthers()
  return plan
}

function parseDocumentKind(text: string | undefined): Kind {
  const kinds = Object.keys(KINDS) as Kind[]
  const kind = kinds.find((known) => known === text)
  if (kind !== undefined) return kind
  throw invalid('kind', `must be one of ${kinds.join(', ')}${didYouMean(text ?? '', kinds)}`)
}

function planToken(wanted: TokenDocument): Plan {
  return {
    kind: 'token',
    name: wanted.name,
    async apply({ tokens }, now) {
      const made = await findLiveToken(tokens, wanted.name)
      if (made === undefined) {
        await tokens.createToken(wanted.request(now))
        return 'created'
      }
      const differing = differences(made, wanted)
      if (differing.length === 0) return 'unchanged'
      throw new CliError(
        `already exists with another spec (${differing.join(', ')})`,
        `Tokens cannot be changed; remove it first with 'musterctl rm token/${wanted.name}'.`,
      )
    },
  }
}

async function findLiveToken(tokens: Cluster['tokens'], idOrName: string): Promise<token.Token | undefined> {
  const { token: made } = await tokens.getToken({ idOrName }).catch(ifNotFound({ token: undefined }))
  return made !== undefined && tokenStateOf(made) === 'live' ? made : undefined
}

function planUser(text: string, spec: Fields): Plan {
  const name = parseMemberName(text, 'metadata.name')
  const roles = parseOperatorRoles(spec.texts('roles'), spec.nameOf('roles'))
  return {
    kind: 'user',
    name,
    next: `'musterctl users reset ${name}' prints the command to sign up with.`,
    async apply({ users: people }) {
      const found = (await listUsers(people)).find((user) => user.name === name)
      if (found === undefined) {
        await people.createUser({ name, roles, signupTtlSeconds: 0 })
        return 'created'
      }
      if (isSameRoles(found, roles)) return 'unchanged'
      await people.updateUser({ name, roles })
      return 'updated'
    },
  }
}

function isSameRoles(user: users.User, roles: readonly OperatorRole[]): boolean {
  return [...user.roles].sort().join() === roles.join()
}

/** Everyone, by name. */
export function listUsers(people: Cluster['users']): Promise<users.User[]> {
  return allPages(async (pageToken) => {
    const page = await people.listUsers({ pageSize: PAGE_SIZE, pageToken })
    return { items: page.users, next: page.nextPageToken }
  })
}

/** For `catch`: returns `instead` if the error says that there is none. */
function ifNotFound<T>(instead: T): (error: unknown) => T {
  return (error) => {
    if (error instanceof CallError && error.error.kind === 'notFound') return instead
    throw error
  }
}

import { CliError, UsageError } from '@muster/cli-kit'
import { isNodeId, printable } from '@muster/domain'

/** Things of one kind that a command finds by what a person types. */
export interface Findable<T> {
  noun: 'node' | 'bot'
  /** The word for a name, such as `host name`; two things may have the same name. */
  nameIs: string
  /** Throws for a text that is not a name. */
  checkName: (text: string) => unknown
  /** A UUID. */
  idOf: (item: T) => string
  nameOf: (item: T) => string
  /** What tells two of the same name apart, besides their ids. */
  detailsOf: (item: T) => string
  /** Pages of a list that holds all whose id or name contains this text, and perhaps others. */
  search: (text: string) => AsyncIterable<readonly T[]>
}

/** How things of one kind are called. */
export type NameForm = Pick<Findable<unknown>, 'noun' | 'nameIs' | 'checkName'>

const LEAST_CHARACTERS = 8
const FULL_FORM = 'xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx'

/**
 * Reads what a person types for a thing: its id, at least 8 characters of one, or its name.
 * @throws UsageError, without asking the cluster, for what is none of them
 */
export function parseReference(text: string, { noun, nameIs, checkName }: NameForm): string {
  const id = text.toLowerCase()
  if (isIdPrefix(id)) return id
  try {
    checkName(text)
  } catch {
    throw new UsageError(
      `${printable(text)} is neither an id nor a ${nameIs} of a ${noun}; 'musterctl ${noun}s ls' shows both`,
    )
  }
  return text
}

/** The id of the one thing that this names. Does not ask the cluster if it is an id. @throws CliError as `findByName` */
export async function findId<T>(reference: string, findable: Findable<T>): Promise<string> {
  return isNodeId(reference) ? reference : findable.idOf(await findByName(reference, findable))
}

/** The one thing that this names. @throws CliError that lists the candidates if there are several, or says that there is none */
export async function findByName<T>(reference: string, findable: Findable<T>): Promise<T> {
  const { noun, nameIs, idOf, nameOf, detailsOf, search } = findable
  const typed = reference.toLowerCase()
  const isPrefix = isIdPrefix(typed)
  const found: T[] = []
  for await (const page of search(reference)) {
    for (const item of page) {
      if ((isPrefix && idOf(item).startsWith(typed)) || nameOf(item).toLowerCase() === typed) found.push(item)
    }
  }
  const [only, another] = found
  if (only === undefined) {
    throw new CliError(
      `no ${noun} has the id or ${nameIs} ${reference}`,
      `'musterctl ${noun}s ls' shows the ${noun}s there are; of an id give at least ${LEAST_CHARACTERS} characters.`,
    )
  }
  if (another === undefined) return only
  const shown = found.slice(0, MOST_CANDIDATES).map((item) => `${idOf(item)} (${detailsOf(item)})`)
  const more = found.length > shown.length ? `, and ${found.length - shown.length} more` : ''
  throw new CliError(`${reference} names ${found.length} ${noun}s`, `Give the id of one: ${shown.join(', ')}${more}.`)
}

/** Enough to choose from. */
const MOST_CANDIDATES = 10

function isIdPrefix(text: string): boolean {
  return text.length >= LEAST_CHARACTERS && FULL_FORM.startsWith(text.replaceAll(/[0-9a-f]/g, 'x'))
}
